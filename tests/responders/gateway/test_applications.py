"""What applications behind FastCGI and SCGI are told, and what comes of that."""

import os
import select
import socket
import time

import pytest

from gemd.protocol.errors import NotFound
from gemd.protocol.fastcgi import ParamsReader, RecordReader, RecordType, decode_params, encode_end, encode_stream
from gemd.protocol.upload import Upload, UploadBody
from gemd.responders.gateway.applications import ApplicationGateways
from gemd.responders.gateway.fastcgi import FastCGICodec
from gemd.responders.gateway.scgi import SCGICodec
from tests.config.reading import parse
from tests.responders.asking import request, settle
from tests.support.descriptors import open_descriptors
from tests.support.pump import Pump
from tests.support.waiting import wait_for


def configure(server, text="", kind="fastcgi", path="/app", cgi="", root='root = "/srv"'):
    config = parse(
        f'[cgi]\n{cgi}\n[[host]]\nname = "h"\n{root}\n[[host.location]]\npath = "{path}"\n'
        f'cgi-environment = {{ OF_LOCATION = "l" }}\n{kind} = {{ to = "{server.place}"{text} }}\n'
    )
    return make(config, kind), config.hosts[0].locations[-1]


def make(config, kind="fastcgi"):
    codec = FastCGICodec if kind == "fastcgi" else SCGICodec
    return ApplicationGateways(kind, config, None, lambda location: getattr(location, kind), codec)


def begin(answer, server, pump):
    """The upstream's side of an answer that has begun."""
    answer.begin(pump)
    wait_for(lambda: answer.settle() is None and server.is_asked(), "a connection")
    sock = server.accept()
    wait_for(lambda: answer.settle() is None and select.select([sock], [], [], 0)[0], "what it is asked")
    return sock


def read_params(sock):
    reader = ParamsReader()
    while not reader.feed(sock.recv(65536)):
        pass
    return {name.decode(): value.decode() for name, value in reader.params.items()}


def told(server, url, text="", path="/app", **keys):
    """The variables by which an application is asked."""
    gateways, location = configure(server, text, path=path, **keys)
    with Pump() as pump:
        answer = gateways(request(url), location)
        try:
            return read_params(begin(answer, server, pump))
        finally:
            answer.close()


def test_it_is_told_what_scripts_are(server):
    params = told(server, "/app/a%20b?q=1")
    assert params["GEMINI_URL"] == "gemini://h/app/a%20b?q=1"
    assert params["DOCUMENT_ROOT"] == "/srv"
    assert (params["REMOTE_ADDR"], params["SERVER_PROTOCOL"]) == ("192.0.2.1", "GEMINI")
    assert (params["SCRIPT_NAME"], params["PATH_INFO"], params["QUERY_STRING"]) == ("/app", "/a b", "q=1")


SPLITS = [
    ("/app", "", "/app/x/y", ("/app", "/x/y")),
    ("/app", "", "/app", ("/app", "")),
    ("/app", "", "/app/", ("/app", "/")),
    ("/app", ", strip = 0", "/app/x", ("", "/app/x")),
    ("/app", ", strip = 2", "/app/x/y", ("/app/x", "/y")),
    ("/app", ", strip = 5", "/app/x", ("/app/x", "")),
    ("/", "", "/x/y", ("", "/x/y")),
    ("/", ", strip = 1", "/x.php/y", ("/x.php", "/y")),
]


@pytest.mark.parametrize(("path", "text", "url", "names"), SPLITS)
def test_how_much_of_the_path_is_its_name(server, path, text, url, names):
    params = told(server, url, text, path)
    assert (params["SCRIPT_NAME"], params["PATH_INFO"]) == names
    assert params["SCRIPT_FILENAME"] == "/srv" + names[0]


def test_what_is_for_the_processes_of_scripts_is_not_sent(server):
    params = told(server, "/app", ', dialect = "http"', cgi='path = "/x"\nlang = "C"\nenvironment = { SECRET = "s" }')
    assert {"HOME", "LANG", "PATH", "SECRET", "OF_LOCATION"}.isdisjoint(params)
    assert params["REDIRECT_STATUS"] == "200"
    assert told(server, "/app", ', params = { HOME = "/h", PATH = "/p" }')["HOME"] == "/h"


@pytest.mark.parametrize("dialect", ["jetforce", "molly-brown"])
def test_no_file_is_named_without_a_root(server, dialect):
    params = told(server, "/app", f', dialect = "{dialect}"', root="")
    assert {"DOCUMENT_ROOT", "SCRIPT_FILENAME", "SCRIPT_PATH"}.isdisjoint(params)
    assert ("SCRIPT_PATH" in told(server, "/app", f', dialect = "{dialect}"')) == (dialect == "molly-brown")


def test_its_own_variables_come_last(server):
    params = told(server, "/app", ', params = { FROM = "here", SCRIPT_FILENAME = "/srv/é.php" }')
    assert (params["FROM"], params["SCRIPT_FILENAME"]) == ("here", "/srv/é.php")


def test_an_answer_by_fastcgi(server):
    gateways, location = configure(server)
    with Pump() as pump:
        answer = gateways(request("/app"), location)
        sock = begin(answer, server, pump)
        read_params(sock)
        sock.sendall(encode_stream(RecordType.STDOUT, b"20 text/gemini\r\n# Hi\n") + encode_end())
        response = pump.wait_for(answer, answer.settle)
        answer.close()
    assert (response.status, response.meta, response.body) == (20, "text/gemini", b"# Hi\n")


def test_an_answer_by_scgi(server):
    gateways, location = configure(server, kind="scgi")
    with Pump() as pump:
        answer = gateways(request("/app"), location)
        sock = begin(answer, server, pump)
        assert b":CONTENT_LENGTH\x000\0SCGI\x001\0" in sock.recv(65536)
        sock.sendall(b"10 Name?\r\n")
        sock.close()
        response = pump.wait_for(answer, answer.settle)
        answer.close()
    assert (response.status, response.meta) == (10, "Name?")


def test_nobody_there_is_43(tmp_path):
    config = parse(f'[[host]]\nname = "h"\nfastcgi = {{ to = "unix:{tmp_path}/none" }}\n')
    gateways = make(config)
    answer = settle(lambda: gateways(request("/"), config.hosts[0].locations[0]))
    assert (answer.status, answer.body) == (43, b"")
    assert "tmp" not in answer.meta


def test_what_misleads_is_told_to_none(server):
    gateways, location = configure(server)
    with pytest.raises(NotFound):
        gateways(request("/app/a%0Ab"), location)


def test_a_client_has_its_share_alone(server):
    gateways, location = configure(server, ", connections = 3")
    with Pump() as pump:
        answer = gateways(request("/app"), location)
        answer.begin(pump)
        assert settle(lambda: gateways(request("/app"), location)).status == 41
        answer.close()


def test_each_location_has_its_own_upstreams(tmp_path):
    paths = [os.fspath(tmp_path / name) for name in "ab"]
    config = parse(
        '[[host]]\nname = "h"\n'
        + "".join(f'[[host.location]]\npath = "{path[-2:]}"\nscgi = {{ to = "unix:{path}" }}\n' for path in paths)
        + '[[host.location]]\npath = "/c"\nfastcgi = { to = "unix:/c" }\n'
    )
    gateways = make(config, "scgi")
    found = [[str(one.address) for one in upstreams.take_order()] for upstreams in gateways.upstreams]
    assert found == [[f"unix:{path}"] for path in paths]
    location = config.hosts[0].locations[2]
    with socket.socket(socket.AF_UNIX) as listener, Pump() as pump:
        listener.bind(paths[1])
        listener.listen()
        answer = gateways(request("/b"), location)
        answer.begin(pump)
        assert answer.settle() is None
        listener.accept()[0].close()
        answer.close()


def upload_to(server, pump, kind, body):
    """An answer that has begun to an upload from this file, and the upstream's side."""
    gateways, location = configure(server, kind=kind)
    asked = request("titan://h/app/x", upload=Upload(body.size, "text/plain", "hunter2", body=body))
    answer = gateways(asked, location)
    return answer, begin(answer, server, pump)


SIZE = 3_000_000


@pytest.fixture
def body(tmp_path):
    (tmp_path / "body").write_bytes(os.urandom(SIZE))
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)
    yield UploadBody(descriptor, SIZE)
    os.close(descriptor)


def read_scgi_upload(sock):
    """Variables and body, up to when all has come; None before."""
    heard = b""
    while (piece := (yield)) is not None:
        heard += piece
        length, _, rest = heard.partition(b":")
        if len(rest) == int(length) + 1 + SIZE:
            parts = rest[: int(length)].split(b"\0")
            sock.sendall(b"20 text/plain\r\ndone")
            sock.close()
            yield dict(zip(parts[::2], parts[1::2], strict=False)), rest[int(length) + 1 :]


def read_fastcgi_upload(sock):
    reader, params, content = RecordReader(), b"", b""
    while True:
        for kind, data in reader.feed((yield)):
            params += data if kind is RecordType.PARAMS else b""
            content += data if kind is RecordType.STDIN else b""
            if kind is RecordType.STDIN and not data:
                sock.sendall(encode_stream(RecordType.STDOUT, b"20 text/plain\r\ndone") + encode_end())
                yield decode_params(params), content


@pytest.mark.parametrize(("kind", "read"), [("fastcgi", read_fastcgi_upload), ("scgi", read_scgi_upload)])
def test_an_upload_is_sent_piece_by_piece_as_the_application_reads(server, tmp_path, body, kind, read):
    before = open_descriptors()
    with Pump() as pump:
        answer, sock = upload_to(server, pump, kind, body)
        heard, found = read(sock), None
        next(heard)

        def go_on():
            nonlocal found
            if found is None and select.select([sock], [], [], 0)[0]:
                found = heard.send(sock.recv(1 << 20))
            return answer.settle()

        response = pump.wait_for(Unhurried(answer), go_on)
        text = response.body if isinstance(response.body, bytes) else b"".join(pump.pieces(answer))
        answer.close()
        server.accepted.remove(sock)
        sock.close()
    assert text == b"done"
    params, content = found
    said = [params[name] for name in (b"SERVER_PROTOCOL", b"CONTENT_LENGTH", b"CONTENT_TYPE", b"TITAN_TOKEN")]
    assert said == [b"TITAN", b"%d" % SIZE, b"text/plain", b"hunter2"]
    assert content == (tmp_path / "body").read_bytes()
    assert open_descriptors() == before


class Unhurried:
    """An answer that is looked at again after a moment, since its upstream is in the same thread."""

    def __init__(self, answer):
        self._answer = answer

    @property
    def descriptors(self):
        return self._answer.descriptors

    @property
    def deadline(self):
        return min(self._answer.deadline, time.monotonic() + 0.001)


def test_an_application_that_refuses_need_not_read_all(server, body):
    with Pump() as pump:
        answer, sock = upload_to(server, pump, "scgi", body)
        sock.sendall(b"59 Too much for me\r\n")
        sock.shutdown(socket.SHUT_RDWR)
        response = pump.wait_for(Unhurried(answer), answer.settle)
        assert (response.status, response.meta) == (59, "Too much for me")
        answer.close()
