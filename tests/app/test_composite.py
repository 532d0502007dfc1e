import asyncio

from gemd.app import Application, CompositeApplication, Response
from gemd.testing import Client


def test_hosts_apart(framework):
    def app_of(name, **options):
        app = framework.JetforceApplication()
        app.route(**options)(lambda request: framework.Response(20, "text/plain", [name, request.environ["HOSTNAME"]]))
        return app

    both = {"cats.example": app_of("cats "), "xn--hnde-0ra.example": app_of("dogs ")}
    client = Client(framework.CompositeApplication(both))
    assert client.get("/", host="cats.example").text == "cats cats.example"
    assert client.get("/", host="CATS.example").text == "cats cats.example"
    assert client.get("/", host="hünde.example").text == "dogs xn--hnde-0ra.example"
    answer = client.get("/", host="birds.example")
    assert (answer.status, answer.meta) == (53, "Invalid hostname")
    anyhow = Client(framework.CompositeApplication({**both, None: app_of("others ")}))
    assert anyhow.get("/", host="birds.example").text == "others birds.example"


def test_applications_of_a_composite_may_be_functions():
    def plain(environ, send_status):
        send_status(20, "text/plain")
        return b"plain"

    def nothing(environ, send_status):
        send_status(51, "None here")

    client = Client(CompositeApplication({"a": plain, "b": nothing}))
    assert client.get("/", host="a").body == b"plain"
    assert client.get("/", host="b").meta == "None here"


def test_a_url_that_is_none_is_refused():
    said = []
    answer = CompositeApplication({None: None})({"GEMINI_URL": "nothing"}, lambda *header: said.append(header))
    assert (list(answer), said) == ([], [(59, "Invalid URL")])


def test_a_coroutine_is_handed_on():
    app = Application()

    @app.route()
    async def wait(request):
        await asyncio.sleep(0)
        return Response(20, "text/plain", request.environ["HOSTNAME"])

    async def pieces(environ, send_status):
        send_status(20, "text/plain")
        yield "pieces"

    client = Client(CompositeApplication({"a": app, "b": pieces}))
    assert [client.get("/", host=host).text for host in ("a", "b")] == ["a", "pieces"]
