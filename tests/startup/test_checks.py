"""What is wrong with a configuration on this machine, found without changing anything."""

import os

import pytest

from gemd.config import ConfigError
from gemd.options import parse_arguments
from gemd.responders.app.load import AppLoadError
from gemd.startup import checks
from gemd.startup.checks import check_applications, check_certificates, check_logs, check_machine, read_config
from gemd.system.certificates import CertificateError
from gemd.system.log_file import LogError
from tests.conftest import need_root


def problems_of(config):
    with pytest.raises(ConfigError) as caught:
        check_machine(config)
    return {problem.path: problem.text for problem in caught.value.problems}


def host(root, **keys):
    return {"name": "localhost", "root": str(root), **keys}


def test_a_capsule_is_in_order(configure):
    check_machine(configure())


def test_roots_that_are_none_are_all_named(configure, tmp_path, root):
    (tmp_path / "file").touch()
    location = {"path": "/a/", "root": str(tmp_path / "gone")}
    config = configure(host=[host(root, location=[location]), {"name": "b", "root": str(tmp_path / "file")}])
    problems = problems_of(config)
    assert set(problems) == {"host[1].location[1].root", "host[2].root"}
    assert problems["host[1].location[1].root"] == f"{tmp_path}/gone can't be opened: No such file or directory"
    assert problems["host[2].root"] == f"{tmp_path}/file can't be opened: Not a directory"


def test_a_root_that_locations_inherit_is_named_once(configure, tmp_path):
    config = configure(host=[host(tmp_path / "gone", location=[{"path": "/a/"}, {"path": "/b/"}])])
    assert set(problems_of(config)) == {"host[1].root"}


def test_a_host_needs_something_to_serve(configure):
    assert problems_of(configure(host=[{"name": "localhost"}])) == {
        "host[1].root": "there is nothing to serve: set a root directory"
    }
    check_machine(configure(host=[{"name": "localhost", "redirect": {"to": "gemini://example.org/"}}]))


def test_a_user_and_a_chroot_that_are_missing_are_named(configure, tmp_path, root):
    problems = problems_of(
        configure(
            user="nobody-of-this-name",
            master_user="root",
            chroot=str(tmp_path / "gone"),
            host=[host(tmp_path / "gone" / "a")],
        )
    )
    assert "there is no user 'nobody-of-this-name'" in problems["user"]
    assert problems["chroot"].endswith("/gone can't be opened: No such file or directory")


def test_the_file_is_found_from_where_gemd_was_started(tmp_path, root):
    (tmp_path / "gemd.conf").write_text('[[host]]\nname = "localhost"\nroot = "capsule"\n')
    config = read_config(parse_arguments(["-c", "gemd.conf"]), tmp_path)
    assert config.hosts[0].locations[0].root == str(root)
    assert config.source == "gemd.conf"


def test_without_a_file_the_directory_is_served(root):
    config = read_config(parse_arguments([]), root)
    assert config.hosts[0].locations[0].root == str(root)
    assert config.source is None


def test_certificates_are_loaded_and_none_is_made(configure, tmp_path, root):
    check_certificates(configure())
    with pytest.raises(CertificateError, match=r"no\.crt"):
        check_certificates(configure(host=[host(root, certificate="/no.crt", key="/no.key")]))
    assert not (tmp_path / "certificates").exists()


def test_a_certificate_that_is_worth_a_look_is_shown(configure, tmp_path, root, capsys, make_certificate):
    certificate, key = make_certificate("another.example")
    os.chmod(key, 0o644)
    check_certificates(configure(host=[host(root, certificate=certificate, key=key)]))
    assert "gemd: warning: " in capsys.readouterr().err


@pytest.fixture
def make_certificate(tmp_path):
    """A self-signed certificate and its key, as paths."""

    def make(name):
        made = checks.certificates.find_or_make(tmp_path / "own", (name,))
        return str(made.path), str(made.path.with_suffix(".key"))

    return make


@pytest.fixture
def app(tmp_path):
    """An application whose import leaves a file, and then fails."""
    (tmp_path / "failing_app.py").write_text(f"open({str(tmp_path / 'loaded')!r}, 'w').close()\nraise KeyError('no')\n")
    return {"name": "localhost", "app": "failing_app:app", "app-path": str(tmp_path)}


def test_an_application_is_loaded(configure, app, tmp_path, monkeypatch):
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    with pytest.raises(AppLoadError):
        check_applications(configure(host=[app]))
    assert (tmp_path / "loaded").exists()


def test_root_does_not_load_those_of_another_user(configure, app, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checks.os, "geteuid", lambda: 0)
    check_applications(configure(host=[app], user="gemd"))
    assert not (tmp_path / "loaded").exists()
    assert capsys.readouterr().err == "gemd: not loaded as root: the applications; run this as gemd\n"


# Logs


def test_logs_are_looked_at_and_none_is_made(configure, root, tmp_path):
    location = {"path": "/a/", "log": str(tmp_path / "a.log")}
    log = {"access": str(tmp_path / "access.log"), "error": "stderr"}
    check_logs(configure(log=log, host=[host(root, location=[location])]))
    assert not list(tmp_path.glob("*.log"))


@pytest.mark.parametrize("which", ["access", "error", "location"])
def test_a_log_that_could_not_be_opened_is_refused(configure, root, tmp_path, which):
    targets = {"access": "off", "error": "off", "location": str(tmp_path / "a.log")}
    targets[which] = str(tmp_path / "none" / "log")
    location = {"path": "/a/", "log": targets.pop("location")}
    with pytest.raises(LogError, match="none/log: No such file"):
        check_logs(configure(log=targets, host=[host(root, location=[location])]))


@need_root
@pytest.mark.parametrize(
    ("keys", "is_roots"), [({"user": "nobody"}, False), ({"user": "nobody", "master_user": "root"}, True), ({}, True)]
)
def test_they_are_looked_at_as_who_opens_them(configure, tmp_path, keys, is_roots):
    os.chown(tmp_path, 65534, 65534)
    config = configure(log={"access": str(tmp_path / "access.log"), "error": "off"}, **keys)
    if is_roots:
        with pytest.raises(LogError, match="as root: another user may write in"):
            check_logs(config)
    else:
        check_logs(config)
