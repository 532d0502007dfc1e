"""What is said in the log of a start: each once, with its key."""

import msgspec

from gemd.config import Problem
from gemd.startup import start_warnings
from gemd.startup.resources import acquire_resources
from gemd.startup.start_warnings import list_warnings, look_around


def told(problems):
    return [(each.path, each.text) for each in problems]


def test_what_hosts_share_is_said_once_with_a_key(configure, root):
    made = acquire_resources(configure(), [], None)
    made.listeners[0].close()
    certificate = msgspec.structs.replace(made.certificates["localhost"], warnings=("it expires",))
    shown = msgspec.structs.replace(certificate, warnings=("is weak",))
    made = msgspec.structs.replace(
        made, certificates={"localhost": certificate, "b.org": certificate}, proxy_certificates={"/c.pem": shown}
    )
    hosts = [{"name": name, "root": str(root)} for name in made.certificates]
    proxy = {"to": "gemini://h/", "certificate": "/c.pem", "key": "/k.pem"}
    hosts[0]["location"] = [{"path": "/p/", "proxy": proxy}]
    warnings = list_warnings(made, configure(host=hosts), [Problem("", "another"), Problem("", "another")])
    assert told(warnings) == [
        ("", "another"),
        ("host[1].location[1].proxy.certificate", "is weak"),
        ("host[2]", "it expires"),
    ]


def test_what_is_set_in_vain(configure, root, monkeypatch):
    hosts = [{"name": "localhost", "script": str(root / "none"), "client-certificate": "any"}]
    monkeypatch.setattr(start_warnings, "is_confinement_missing", lambda config: True)
    config = configure(host=hosts, tls={"session-tickets": True})
    resources = acquire_resources(configure(), [], None)
    resources.listeners[0].close()
    keys = [problem.path for problem in list_warnings(resources, config, [])]
    assert keys == ["cgi.confine", "tls.session-tickets"]


def test_what_is_on_this_machine(configure, root):
    (root / "script").touch()
    assert look_around(configure()) == []
    (found,) = look_around(configure(host=[{"name": "localhost", "script": str(root / "script")}]))
    assert found.path == "host[1].script"
