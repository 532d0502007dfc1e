"""What is wrong with a configuration on this machine, found without changing anything."""

import os

import msgspec
import pytest

from gemd.config import ConfigError, parse_config
from gemd.options import parse_arguments
from gemd.responders.app.load import AppLoadError
from gemd.startup import checks, private_files
from gemd.startup.checks import (
    check_applications,
    check_certificates,
    check_confinement,
    check_logs,
    check_machine,
    read_config,
)
from gemd.system.certificates import CertificateError, find_or_make
from gemd.system.log_file import LogError
from gemd.system.privileges import find_identity
from tests.conftest import need_root, need_user
from tests.serve.succession import public_folder


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


@pytest.fixture
def from_file(configure):
    """A configuration that a file has, of one host with these keys."""
    return lambda root, **keys: msgspec.structs.replace(configure(host=[host(root, **keys)]), source="gemd.conf")


def test_scripts_need_their_directory(from_file, root):
    problems = problems_of(from_file(root, cgi="cgi-bni"))
    assert problems == {"host[1].cgi": f"{root}/cgi-bni can't be opened: No such file or directory"}
    os.mkfifo(root / "fifo")
    assert problems_of(from_file(root, cgi="fifo")) == {"host[1].cgi": f"{root}/fifo is neither a directory nor a file"}
    (root / "cgi-bni/deep").mkdir(parents=True)
    check_machine(from_file(root, cgi="cgi-bni"))
    check_machine(from_file(root, cgi="/cgi-bni//deep/".strip("/")))


def test_a_root_that_is_none_is_no_mistake_of_its_scripts(from_file, tmp_path):
    assert set(problems_of(from_file(tmp_path / "gone", cgi="cgi-bin"))) == {"host[1].root"}


def test_each_directory_of_scripts_is_looked_at_where_it_is_named(from_file, root, tmp_path):
    (root / "cgi-bin").mkdir()
    (tmp_path / "other").mkdir()
    other = str(tmp_path / "other")
    locations = [
        {"path": "/inherits"},
        {"path": "/other", "root": other},  # the host's name is for the host's root
        {"path": "/names/", "root": other, "cgi": "none"},
        {"path": "/same/", "cgi": "cgi-bni"},
        {"path": "/again/", "cgi": "cgi-bni"},
    ]
    assert set(problems_of(from_file(root, cgi="cgi-bin", location=locations))) == {
        "host[1].location[3].cgi",
        "host[1].location[4].cgi",
    }


def test_where_the_host_has_no_root_its_locations_need_the_directory(configure, root, tmp_path):
    (root / "cgi-bin").mkdir()
    tables = {"name": "h", "gone": True, "cgi": "cgi-bin", "location": [{"path": "/a/", "root": str(root)}]}
    check_machine(msgspec.structs.replace(configure(host=[tables]), source="gemd.conf"))
    tables["location"] += [{"path": "/b/", "root": str(tmp_path)}]
    config = msgspec.structs.replace(configure(host=[tables]), source="gemd.conf")
    assert set(problems_of(config)) == {"host[1].location[2].cgi"}


def test_so_does_the_location_of_everything(from_file, root, tmp_path):
    (root / "cgi-bin").mkdir()
    location = {"path": "/", "root": str(tmp_path)}
    assert set(problems_of(from_file(root, cgi="cgi-bin", location=[location]))) == {"host[1].location[1].cgi"}


def test_only_the_default_of_flags_alone_may_be_missing(root):
    read_config(parse_arguments([]), root)
    check_machine(read_config(parse_arguments(["--index-file", "x"]), root))
    for name in ("cgi-bin", "bin"):
        with pytest.raises(ConfigError, match=f"{root}/{name} can't be opened"):
            read_config(parse_arguments(["--cgi-dir", name]), root)
        (root / name).mkdir()
        check_machine(read_config(parse_arguments(["--cgi-dir", name]), root))


def test_a_flag_beside_a_file_names_it_as_well(root, tmp_path):
    (tmp_path / "gemd.conf").write_text('[[host]]\nname = "localhost"\nroot = "capsule"\n')
    with pytest.raises(ConfigError, match="capsule/cgi-bin can't be opened"):
        read_config(parse_arguments(["-c", "gemd.conf", "--cgi-dir", "cgi-bin"]), tmp_path)


def test_a_host_needs_something_to_serve(configure):
    assert problems_of(configure(host=[{"name": "localhost"}])) == {
        "host[1].root": "there is nothing to serve: set a root directory, or another answer, such as proxy"
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


def test_what_is_kept_is_looked_at_too(configure, tmp_path, root, capsys):
    config = configure(host=[host(root)])
    kept = find_or_make(tmp_path / "certificates", ("localhost",))
    check_certificates(config)
    assert capsys.readouterr().err == ""
    kept.path.with_suffix(".key").write_text("nothing")
    with pytest.raises(CertificateError, match=r"localhost\.key has no private key in PEM or DER form$"):
        check_certificates(config)


@need_user
def test_what_only_root_can_see_is_said(configure, tmp_path, root, capsys):
    config = configure(host=[host(root)])
    (tmp_path / "certificates").mkdir(mode=0)
    check_certificates(config)
    assert capsys.readouterr().err == (
        f"gemd: warning: not looked at: {tmp_path}/certificates/localhost.crt, where localhost may have a certificate; "
        "only root can\n"
    )


@pytest.fixture
def make_certificate(tmp_path):
    """A self-signed certificate and its key, as paths."""

    def make(name):
        made = find_or_make(tmp_path / "own", (name,))
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


def test_where_it_will_run_is_said(configure, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    (tmp_path / "fine_app.py").write_text("app = print\n")
    location = {"path": "/a/", "app": "fine_app:app", "app-path": str(tmp_path), "app-process": True}
    host = {"name": "localhost", "app": "fine_app:app", "app-path": str(tmp_path), "location": [location]}
    check_applications(configure(host=[host]))
    assert capsys.readouterr().err.splitlines() == [
        "gemd: the application fine_app:app (host[1].app) runs in each worker",
        "gemd: the application fine_app:app (host[1].location[1].app) has a process of its own",
    ]


@need_root
def test_it_is_loaded_as_who_serves_it():
    with public_folder() as folder:
        (folder / "who.py").write_text("import os\nraise KeyError(os.getuid(), os.getcwd())\n")
        host = {"name": "localhost", "app": "who:app", "app-path": str(folder), "app-directory": str(folder)}
        config = parse_config({"host": [host], "user": "nobody"}, base=folder, source=None, cpus=1)
        with pytest.raises(AppLoadError) as caught:
            check_applications(config)
    nobody = find_identity("nobody", None).uid
    assert f"can't be loaded: KeyError: ({nobody}, '{folder}')" in str(caught.value)
    assert caught.value.trace()[0].startswith(f'  File "{folder}/who.py", line 2')


def test_what_nobody_here_can_load_is_said(configure, app, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checks.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(checks, "can_become", lambda identity: False)
    app["app-user"] = "nobody"
    app["location"] = [{"path": "/again/", **{key: value for key, value in app.items() if key != "name"}}]
    monkeypatch.setattr(checks, "find_user", lambda config: None)
    check_applications(configure(host=[app], user="nobody", master_user="root"))
    assert not (tmp_path / "loaded").exists()
    assert capsys.readouterr().err.splitlines() == [
        "gemd: not loaded: the application failing_app:app; only root can, as nobody",
        "gemd: the application failing_app:app (host[1].app) has a process of its own",
        "gemd: the application failing_app:app (host[1].location[1].app) has a process of its own",
    ]


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


def test_what_scripts_are_kept_to_has_to_exist(configure, tmp_path):
    (tmp_path / "file").touch()
    check_machine(configure(cgi={"read": ["file"], "write": ["."]}))
    assert problems_of(configure(cgi={"read": ["file", "gone"], "write": ["file/x"]})) == {
        "cgi.read[2]": f"{tmp_path}/gone can't be used: No such file or directory",
        "cgi.write[1]": f"{tmp_path}/file/x can't be used: Not a directory",
    }


@pytest.fixture
def version(monkeypatch):
    """The version of Landlock of a kernel."""
    return lambda number: monkeypatch.setattr(private_files, "find_version", lambda: number)


def test_that_scripts_are_not_confined_is_said(configure, root, version, capsys):
    version(0)
    check_confinement(configure())
    check_confinement(configure(host=[host(root, cgi="bin")], cgi={"confine": False}))
    assert capsys.readouterr().err == ""
    check_confinement(configure(host=[host(root, cgi="bin")]))
    assert capsys.readouterr().err.startswith("gemd: warning: scripts are not confined: this kernel has no Landlock")


def test_what_scripts_would_miss_is_said(configure, root, version, capsys):
    version(2)
    key = {"certificate": str(root / "keys/a.pem"), "key": str(root / "keys/a.pem")}
    config = configure(host=[host(root, cgi="bin", **key)])
    check_confinement(config)
    assert capsys.readouterr().err == ""  # flags alone have a directory of scripts that need not exist
    (root / "bin").mkdir()
    check_confinement(config)
    missed = (
        f"until a reload, scripts will miss what is made or replaced in {root}, since {root}/keys is kept from them"
    )
    assert f"gemd: warning: {missed} (cgi.confine)\n" in capsys.readouterr().err
