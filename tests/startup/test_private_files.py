"""Which files are gemd's alone, and when scripts are kept from them."""

import pytest

from gemd.startup import private_files
from gemd.startup.private_files import (
    find_confinement,
    find_log_files,
    find_secrets,
    find_secrets_inside,
    has_scripts,
    is_confinement_missing,
    script_directories,
)


@pytest.fixture(autouse=True)
def version(monkeypatch):
    """A kernel that can, unless a test says otherwise."""
    version = [7]
    monkeypatch.setattr(private_files, "find_version", lambda: version[0])
    return version


@pytest.fixture
def scripts(configure, root):
    """A configuration whose host has scripts."""

    def scripts(host=None, **tables):
        return configure(host=[{"name": "localhost", "root": str(root), "cgi": "cgi-bin", **(host or {})}], **tables)

    return scripts


def test_keys_logs_pid_file_and_sockets(scripts, tmp_path):
    location = {"path": "/quiet/", "log": "quiet.log"}
    config = scripts(
        {"location": [location]},
        log={"access": "a.log", "error": "stderr"},
        pid_file="p/pid",
        control="c/sock",
        listen=["unix:/l/sock", "localhost:0"],
    )
    state = tmp_path / "certificates"
    expected = {state / "localhost.crt", state / "localhost.key"}
    expected |= {tmp_path / name for name in ("a.log", "quiet.log", "p/pid", "c/sock")}
    assert set(find_confinement(config).private) == {"/l/sock", *map(str, expected)}
    assert find_log_files(config) == [str(tmp_path / "quiet.log")]


def test_no_client_may_see_keys_and_logs(scripts, tmp_path):
    host = {"certificate": "x/cert.pem", "key": "y/key.pem", "location": [{"path": "/quiet/", "log": "quiet.log"}]}
    config = scripts(host, log={"access": "a.log", "error": "stderr"}, pid_file="p/pid")
    assert find_secrets(config) == [str(tmp_path / name) for name in ("y/key.pem", "a.log", "quiet.log")]


def test_what_passing_on_takes(scripts, tmp_path):
    proxy = {"to": "gemini://127.0.0.1:1966", "certificate": "x/own.pem", "key": "y/own.pem"}
    config = scripts({"location": [{"path": "/p", "proxy": proxy}]}, log={"access": "off", "error": "off"})
    state = tmp_path / "certificates"
    expected = [state / "localhost.key", tmp_path / "y/own.pem", state / "known_servers"]
    assert find_secrets(config) == list(map(str, expected))
    private = find_confinement(config).private
    assert {str(tmp_path / "x/own.pem"), *map(str, expected)} <= set(private)


def test_in_a_root_directory_of_their_own_workers_know_what_is_in_it(scripts, root, tmp_path):
    """By whatever name that is known outside, and nothing of what lies elsewhere."""
    (tmp_path / "link").symlink_to(root)
    shut = {"user": "nobody", "master_user": "root", "log": {"access": "/var/log/a.log", "error": "stderr"}}
    host = {"certificate": "/etc/cert.pem", "key": "link/key.pem"}
    assert find_secrets_inside(scripts(host, **shut, chroot=str(root.parent))) == ("/capsule/key.pem",)
    assert find_secrets_inside(scripts(host, **shut)) == (str(tmp_path / "link/key.pem"), "/var/log/a.log")


def test_a_certificate_of_its_own(scripts, tmp_path):
    config = scripts({"certificate": "x/cert.pem", "key": "y/key.pem"})
    assert find_confinement(config).private == (str(tmp_path / "x/cert.pem"), str(tmp_path / "y/key.pem"))


def test_roots_and_applications_have_to_stay_but_not_beside_a_list(scripts, root, tmp_path):
    location = {"path": "/app/", "app": "x:y", "app-path": "lib"}
    config = scripts({"location": [location]})
    assert set(find_confinement(config).needed) == {f"{root}/cgi-bin", str(root), f"{tmp_path}/lib"}
    config = scripts({"location": [location]}, cgi={"read": ["db"]})
    confinement = find_confinement(config)
    assert (confinement.needed, confinement.read) == ((f"{root}/cgi-bin",), (f"{tmp_path}/db",))


def test_who_is_shut_in_finds_the_system_there(scripts, tmp_path):
    assert find_confinement(scripts()).chroot is None
    config = scripts(chroot=str(tmp_path), user="nobody", master_user="root")
    assert find_confinement(config).chroot == str(tmp_path)


def test_none_where_there_are_no_scripts(configure):
    assert find_confinement(configure()) is None
    assert not is_confinement_missing(configure())


def test_an_application_may_have_scripts(configure):
    assert find_confinement(configure(host=[{"name": "h", "app": "x:y"}])) is not None


def test_users_may_have_scripts(configure, root):
    people = {"name": "h", "root": str(root), "user-directories": {"cgi": "cgi-bin"}}
    top = {"user": "nobody", "master-user": "root", "cgi": {"user": "scripts"}}
    config = configure(host=[people], **top)
    assert find_confinement(config) is not None
    assert has_scripts(config)
    assert find_confinement(configure(host=[{**people, "user-directories": {}}])) is None


def test_none_where_it_is_not_wanted(scripts):
    config = scripts(cgi={"confine": False})
    assert find_confinement(config) is None
    assert not is_confinement_missing(config)


def test_where_the_kernel_can_not_it_is_missing(scripts, version):
    assert not is_confinement_missing(scripts())
    version[0] = 0
    assert find_confinement(scripts()) is None
    assert is_confinement_missing(scripts())


def test_the_places_of_scripts(scripts, root):
    """Of a pattern the directory where its wildcards begin."""
    assert list(script_directories(scripts({"cgi": ["a/b", "tools/*.py", "*.cgi"]}))) == [
        f"{root}/a/b",
        f"{root}/tools",
        str(root),
    ]
    assert list(script_directories(scripts({"cgi": "."}))) == [str(root)]
    assert list(script_directories(scripts({"cgi": []}))) == []


def test_a_location_s_script_is_confined_and_needed(configure, tmp_path):
    config = configure(host=[{"name": "localhost", "script": "x.py"}], cgi={"read": []})
    assert list(script_directories(config)) == [str(tmp_path / "x.py")]
    assert find_confinement(config).needed == (str(tmp_path / "x.py"),)


def test_converters_are_confined_as_scripts_are(configure, root, version):
    host = {"name": "localhost", "root": str(root), "convert": {".md": ["cat"], ".x": ["no-such-program"]}}
    config = configure(host=[host], cgi={"read": ["/srv"], "path": "/bin"})
    assert find_confinement(config).needed == ("/bin/cat",)
    assert not is_confinement_missing(config)
    version[0] = 0
    assert is_confinement_missing(config)
    assert find_confinement(config) is None
    assert find_confinement(configure(host=[{**host, "convert": {}}])) is None
