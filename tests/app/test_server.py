import pytest

from gemd.app import Application, CompositeApplication, GeminiServer
from gemd.app.server import find_foreign, find_hostnames, served
from gemd.config import ConfigError
from gemd.config.listen import LOCAL_PROXIES

from .conftest import load_jetforce


def first_location(config):
    return config.hosts[0].locations[0]


def test_the_defaults_are_jetforces():
    import inspect

    theirs = inspect.signature(load_jetforce().GeminiServer).parameters
    ours = inspect.signature(GeminiServer).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    assert {n: p.default for n, p in ours.items() if n in theirs and n != "reactor"} == {
        n: p.default for n, p in theirs.items() if n != "reactor"
    }


def test_the_configuration_that_it_stands_for(tmp_path):
    server = GeminiServer(
        Application(), host="", port=7, hostname="h.example", certfile="c.pem", cafile="/ca", workers=3, threads=2
    )
    config = server.read_config()
    assert [str(entry.address) for entry in config.listen] == ["[::]:7"]
    assert (config.hosts[0].name, config.workers, config.tls.ca_file) == ("h.example", 3, "/ca")
    assert config.hosts[0].certificate == config.hosts[0].key
    location = first_location(config)
    assert (location.app, location.preload, location.app_threads) == (f"{served.__module__}:served", True, 2)


@pytest.mark.parametrize(("host", "listen"), [("::1", "[::1]:1965"), ("127.0.0.1", "127.0.0.1:1965")])
def test_addresses(host, listen):
    assert [str(e.address) for e in GeminiServer(Application(), host=host).read_config().listen] == [listen]


def test_it_answers_to_the_hosts_that_the_application_names(framework):
    one, other = framework.JetforceApplication(), framework.JetforceApplication()
    one.route("/x", hostname="c.example")(print)
    app = framework.CompositeApplication({"a.example": one, "b.example": other, None: other})
    assert find_hostnames(app) == ["a.example", "b.example", "c.example"]
    server = GeminiServer(app, hostname="a.example", aliases=["d.example"])
    assert server.read_config().hosts[0].names == ("a.example", "d.example", "b.example", "c.example")


def test_it_answers_for_others_where_routes_do(framework):
    one, other = framework.JetforceApplication(), framework.JetforceApplication()
    one.route("/x")(print)
    assert find_foreign(one) == {"schemes": ["gemini"]}
    other.route(scheme="https", strict_hostname=False)(print)
    other.route(scheme="http", strict_hostname=False)(print)
    other.route(scheme="")(print)
    foreign = {"schemes": ["gemini", "https", "http"], "hosts": "*"}
    assert find_foreign(other) == find_foreign(framework.CompositeApplication({None: one, "b": other})) == foreign
    assert find_foreign(print) == {"schemes": ["gemini"]}
    location = first_location(GeminiServer(other).read_config())
    assert (location.schemes, location.hosts) == (("gemini", "https", "http"), "*")


def test_other_applications_name_none():
    assert find_hostnames(lambda environ, send_status: None) == []
    assert find_hostnames(CompositeApplication({})) == []


def test_what_stands_before_it():
    (listen,) = GeminiServer(Application(), proxy_protocol=True, use_tls=False).read_config().listen
    assert (listen.proxy_protocol, listen.tls, listen.trusted) == (True, False, LOCAL_PROXIES)
    (listen,) = GeminiServer(Application()).read_config().listen
    assert (listen.proxy_protocol, listen.tls) == (False, True)


@pytest.mark.parametrize("option", [{"proxy_protocol": True}, {"use_tls": False}])
def test_strangers_are_neither_believed_nor_served_without_tls(option):
    with pytest.raises(ConfigError):
        GeminiServer(Application(), host="", **option).read_config()


def test_what_is_wrong_is_said_when_it_is_to_run():
    with pytest.raises(ConfigError):
        GeminiServer(Application(), hostname="not a host").read_config()
