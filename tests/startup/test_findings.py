"""What a child found, and what arrives of it in the master."""

import os

import msgspec
import pytest

from gemd.config.types import Address
from gemd.startup.assembly import build_generation
from gemd.startup.files import read_files
from gemd.startup.findings import pack_findings, unpack_findings
from gemd.startup.resources import acquire_resources
from gemd.system.certificates import find_or_make
from tests.support.certificate_chains import Link


@pytest.fixture
def build():
    """Generations, which are closed in the end; each with what it was made of."""
    built = []

    def build(config, former=None):
        resources = acquire_resources(config, former.listeners if former is not None else [], None)
        files = read_files(config)
        built.append(build_generation(config, resources, files, None, former))
        return built[-1], resources, files

    yield build
    for generation in reversed(built):
        for listener in generation.listeners:
            listener.close()


@pytest.fixture
def first(build, configure):
    return build(configure())[0]


@pytest.fixture
def pack(build, first):
    """What a child finds for the generation after the first."""
    return lambda config, *warnings: pack_findings(*build(config, first), first, warnings)


def close(unpacked, first):
    for listener in unpacked.resources.listeners:
        if listener not in first.listeners:
            listener.close()
    for descriptor in unpacked.logs.values():
        os.close(descriptor)
    for opened in (unpacked.resources.known_servers, unpacked.resources.upload_spool):
        if opened is not None:
            opened.close()


def test_all_arrives_as_it_was_found(configure, pack, first, tmp_path):
    (tmp_path / "ca.pem").write_bytes(Link().pem)
    tls = {"certificates": str(tmp_path / "certificates"), "ca-file": str(tmp_path / "ca.pem")}
    config = configure(workers=7, tls=tls)
    unpacked = unpack_findings(pack(config, "a warning"), first)
    assert unpacked.config == config
    assert unpacked.files == read_files(config)
    assert unpacked.resources.certificates["localhost"].fingerprint
    assert (unpacked.warnings, unpacked.logs) == (("a warning",), {})
    assert unpacked.resources.listeners == list(first.listeners)


def test_the_directories_of_users_are_not_looked_up_again(configure, root, pack, first, monkeypatch):
    homes = {"host[1].location[1]": "/home/alice/public_gemini"}
    monkeypatch.setattr("gemd.startup.people.find_homes", lambda _config: homes)
    rules = {"path": "/~alice/private", "client-certificate": "any"}
    host = {"name": "localhost", "root": str(root), "user-directories": {}, "location": [rules]}
    found = pack(configure(host=[host]))
    monkeypatch.setattr("gemd.startup.people.find_homes", lambda _config: pytest.fail("they were"))
    unpacked = unpack_findings(found, first)
    assert unpacked.files.homes == homes
    assert unpacked.config.hosts[0].locations[1].people is not None


def test_only_what_is_new_is_handed_over(configure, pack, first, tmp_path):
    log = {"access": str(tmp_path / "access.log"), "error": "off"}
    before = set(os.listdir("/proc/self/fd"))
    found = pack(configure(listen=["127.0.0.2:0", "127.0.0.1:0"], log=log))
    assert len(set(os.listdir("/proc/self/fd")) - before) == len(found.descriptors) == 2
    unpacked = unpack_findings(found, first)
    new, kept = unpacked.resources.listeners
    assert kept is first.listeners[0]
    assert (new.address, new.is_given, new.socket.getsockname()[0]) == (Address("127.0.0.2", 0), False, "127.0.0.2")
    assert list(unpacked.logs) == [str(tmp_path / "access.log")]
    close(unpacked, first)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def proxied(configure, root, tmp_path):
    """A configuration that passes requests on, by a certificate of gemd's, to a server that is to be met."""
    shown = str(find_or_make(tmp_path / "shown", ("gemd",)).path)
    proxy = {"to": "gemini://127.0.0.1:1966", "certificate": shown, "key": shown.replace(".crt", ".key")}
    host = {"name": "localhost", "root": str(root), "location": [{"path": "/p", "proxy": proxy}]}
    return lambda **tables: configure(host=[host], **tables)


def test_what_passing_on_takes_is_handed_over(proxied, pack, first, tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    found = pack(proxied(log={"access": str(tmp_path / "access.log"), "error": "off"}))
    assert len(found.descriptors) == 2
    unpacked = unpack_findings(found, first)
    (certificate,) = unpacked.resources.proxy_certificates.values()
    assert certificate.fingerprint == find_or_make(tmp_path / "shown", ("gemd",)).fingerprint
    known = unpacked.resources.known_servers
    assert known.path == str(tmp_path / "certificates" / "known_servers")
    known.remember("127.0.0.1:1966 localhost", "ab" * 32)
    assert "ab" * 32 in (tmp_path / "certificates" / "known_servers").read_text()
    close(unpacked, first)
    assert set(os.listdir("/proc/self/fd")) == before


def test_where_uploads_wait_is_handed_over(configure, root, pack, first, tmp_path):
    host = {"name": "localhost", "root": str(root), "cgi": ".", "titan": {"allow": "any"}}
    before = set(os.listdir("/proc/self/fd"))
    found = pack(configure(host=[host], upload_spool=str(tmp_path)))
    assert len(found.descriptors) == 1
    unpacked = unpack_findings(found, first)
    assert unpacked.resources.upload_spool.path == str(tmp_path)
    os.close(unpacked.resources.upload_spool.make_file())
    close(unpacked, first)
    assert set(os.listdir("/proc/self/fd")) == before
    found = pack(configure(host=[host], upload_spool=str(tmp_path)))
    found.content = {**found.content, "upload_spool": ""}
    with pytest.raises(ValueError, match="another number"):
        unpack_findings(found, first)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("change", [{"known_servers": ""}, {"proxy_certificates": {}}])
def test_what_passing_on_takes_may_not_be_missing(proxied, pack, first, change):
    before = set(os.listdir("/proc/self/fd"))
    found = pack(proxied())
    found.content = {**found.content, **change}
    with pytest.raises(ValueError, match=r"missing|needed|no certificate"):
        unpack_findings(found, first)
    assert set(os.listdir("/proc/self/fd")) == before


def with_listener(content, present):
    return {**content, "listeners": [{**content["listeners"][0], "present": present}]}


NONSENSE = {
    "nothing": lambda content: None,
    "no settings": lambda content: {**content, "config": {}},
    "settings beyond their limits": lambda content: {
        **content,
        "config": {**content["config"], "timeouts": {"start": -1}},
    },
    "no certificate": lambda content: {**content, "certificates": {}},
    "no key": lambda content: {
        **content,
        "certificates": {"localhost": {**content["certificates"]["localhost"], "key": "AAAA"}},
    },
    "no such listener": lambda content: with_listener(content, 1),
    "a listener counted from behind": lambda content: with_listener(content, -1),
    "one listener too many": lambda content: with_listener(content, None),
    "a log twice": lambda content: {**content, "logs": ["/a", "/a", "/b"]},
    "one log too many": lambda content: {**content, "logs": ["/a"]},
    "servers that nobody asks for": lambda content: {**content, "known_servers": "/k", "logs": ["/a"]},
    "a directory that nobody asks for": lambda content: {**content, "upload_spool": "/s", "logs": ["/a"]},
    "no authorities": lambda content: {
        **content,
        "config": {**content["config"], "tls": {**content["config"]["tls"], "ca-file": "/ca.pem"}},
    },
    "authorities that are none": lambda content: {**content, "authorities": {"/ca": ["AAAA"]}},
}


@pytest.mark.parametrize("change", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_and_nothing_stays_open(configure, pack, first, change):
    before = set(os.listdir("/proc/self/fd"))
    found = pack(configure(listen=["127.0.0.1:0"]))
    assert found.descriptors == []
    found.content = change(found.content)
    found.descriptors = [os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)]
    with pytest.raises(Exception) as caught:
        unpack_findings(found, first)
    assert type(caught.value).__name__ in ("ValueError", "ValidationError", "CertificateError")
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_descriptor_that_is_no_listener_is_refused(configure, pack, first):
    before = set(os.listdir("/proc/self/fd"))
    found = pack(configure(listen=["127.0.0.2:0"]))
    os.close(found.descriptors[0])
    found.descriptors = [os.open(os.devnull, os.O_RDONLY)]
    with pytest.raises(Exception, match="no socket"):
        unpack_findings(found, first)
    assert set(os.listdir("/proc/self/fd")) == before


def test_all_settings_can_be_handed_on(configure, root):
    """Those too that are no text in UTF-8, and numbers that JSON has not."""
    host = {
        "name": "localhost",
        "root": f"{root}/\udcff",
        "app": "a:b()",
        "app-options": {"a": 1, "b": 1.0, "c": float("inf"), "d": True, "e": "x"},
        "dot-files": [".a"],
        "redirect": {"match": "/c", "to": "/a", "status": 30},
        "client-certificate": {"ca": "/ca"},
        "cgi": "cgi-bin",
        "location": [
            {"path": "/a", "client-certificate": "any", "dot-files": True, "log": False},
            {"path": "/b", "gone": True, "client-certificate": ["SHA256:" + "ab" * 32], "log": "/b.log"},
        ],
    }
    config = configure(host=[host], limits={"rate": "3/1m"}, cgi={"environment": {"A": "b"}})
    assert msgspec.convert(msgspec.to_builtins(config), type(config)) == config
    assert msgspec.convert(msgspec.to_builtins(configure()), type(config)) == configure()
