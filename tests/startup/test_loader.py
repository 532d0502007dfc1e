"""What a reload does with a configuration: both halves, in one process."""

import os

import pytest

from gemd.master.report import TaskError
from gemd.startup.assembly import build_generation
from gemd.startup.checks import check_machine
from gemd.startup.files import read_files
from gemd.startup.loader import ConfigLoader
from gemd.startup.resources import acquire_resources
from gemd.startup.tickets import FIXED
from gemd.system.attempt import attempt_under_way
from gemd.system.log import error_log


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """The error log is left as the tests have it."""
    monkeypatch.setattr(error_log, "use", lambda *_, **__: None)


@pytest.fixture
def first(configure):
    """The first generation, which serves."""
    config = configure()
    generation = build_generation(config, acquire_resources(config, [], None), read_files(config), None)
    yield generation
    generation.close_all_but(None)


@pytest.fixture
def load(first):
    """The generation after the first, by what `read` reads; it is closed in the end."""
    made = []

    def load(read):
        loader = ConfigLoader(read, None)
        made.append(loader.make(loader.find(first), first))
        return made[-1]

    yield load
    for generation in made:
        generation.close_all_but(first)


@pytest.fixture
def load_scripts(configure, root, tmp_path):
    """A generation of which all is to be shut in: workers, keys and scripts; and what loads the next."""
    (root / "cgi-bin").mkdir()
    host = {"name": "localhost", "root": str(root), "cgi": "cgi-bin"}

    def read():
        return configure(host=[host], chroot=str(tmp_path), user="nobody", master_user="root")

    generation = build_generation(read(), acquire_resources(read(), [], None), read_files(read()), None)
    yield generation, ConfigLoader(read, None)
    generation.close_all_but(None)


@pytest.fixture
def said(caplog):
    """The lines of the error log."""
    caplog.set_level("INFO", "gemd")
    return lambda: [record.getMessage() for record in caplog.records]


def open_descriptors():
    return set(os.listdir("/proc/self/fd"))


def test_the_next_generation_shares_what_stays(configure, first, load):
    second = load(lambda: configure(workers=3))
    assert (second.number, second.config.workers) == (2, 3)
    assert second.listeners == first.listeners
    assert second.logs.access is first.logs.access


def test_what_is_new_is_opened_by_the_child_alone(configure, first, root, tmp_path, monkeypatch):
    log = {"access": str(tmp_path / "access.log"), "error": str(tmp_path / "access.log")}
    own = str(tmp_path / "own.log")
    host = {"name": "localhost", "root": str(root), "location": [{"path": "/own/", "log": own}]}
    loader = ConfigLoader(lambda: configure(listen=["127.0.0.1:0", "127.0.0.2:0"], log=log, host=[host]), None)
    before = open_descriptors()
    found = loader.find(first)
    for name in ("gemd.system.log_file.os.open", "gemd.system.listener._bind_tcp", "pathlib.Path.read_bytes"):
        monkeypatch.setattr(name, None)
    second = loader.make(found, first)
    monkeypatch.undo()
    second.logs.access.write("a")
    second.logs.error.write("b")
    assert (tmp_path / "access.log").read_text() == "a\nb\n"
    second.logs.of(own).write("c")
    assert (tmp_path / "own.log").read_text() == "c\n"
    assert [listener.socket.getsockname()[0] for listener in second.listeners] == ["127.0.0.1", "127.0.0.2"]
    second.close_all_but(first)
    assert open_descriptors() == before


def test_where_files_are_is_looked_up_by_the_child_alone(configure, load_scripts, monkeypatch):
    """A disk, or a name, may have to be waited for."""
    first, loader = load_scripts
    found = loader.find(first)
    for name in ("path.realpath", "readlink", "lstat", "stat", "listdir", "scandir"):
        monkeypatch.setattr(f"os.{name}", None)
    for name in ("pwd.getpwnam", "pwd.getpwuid", "grp.getgrnam"):
        monkeypatch.setattr(name, None)
    second = loader.make(found, first)
    monkeypatch.undo()
    assert second.confinement == first.confinement
    assert second.respond.__self__.has_room()
    second.close_all_but(first)


@pytest.mark.parametrize("is_on", [False, True])
def test_session_tickets_stay_as_they_were(configure, first, load, said, tmp_path, is_on):
    tls = {"certificates": str(tmp_path / "certificates"), "session-tickets": is_on}
    second = load(lambda: configure(tls=tls))
    assert second.config.tls == first.config.tls
    assert [line for line in said() if line.startswith("tls.")] == [str(FIXED)] * is_on


def test_a_configuration_that_can_not_be_used_is_told_in_lines(configure, first, load, root):
    broken = {"name": "localhost", "root": str(root), "certificate": "/no.crt", "key": "/no.key"}
    with pytest.raises(TaskError) as caught:
        load(lambda: configure(host=[broken]))
    assert "/no.crt" in caught.value.lines[0]


def test_what_the_child_can_not_build_is_told(configure, load, tmp_path):
    log = {"access": str(tmp_path / "none" / "access.log"), "error": "off"}
    with pytest.raises(TaskError, match="can't open the log"):
        load(lambda: configure(log=log))


def test_what_was_bound_for_a_generation_that_is_not_to_be_is_closed(configure, first, tmp_path):
    """An application may not let itself be imported another time."""
    (tmp_path / "once.py").write_text(
        "import os\nif os.path.exists('MARK'): raise ValueError\nopen('MARK', 'w').close()\napp = print\n".replace(
            "MARK", str(tmp_path / "mark")
        )
    )
    host = {"name": "localhost", "app": "once:app", "app-path": str(tmp_path), "preload": True}
    log = {"access": str(tmp_path / "access.log"), "error": "off"}
    loader = ConfigLoader(lambda: configure(listen=["127.0.0.2:0"], host=[host], log=log), None)
    before = open_descriptors()
    found = loader.find(first)
    assert len(open_descriptors() - before) == 2
    with pytest.raises(TaskError, match="the application once:app can't be loaded"):
        loader.make(found, first)
    assert open_descriptors() == before
    assert all(listener.socket.fileno() >= 0 for listener in first.listeners)


def test_what_nobody_can_have_found_is_refused(configure, first):
    loader = ConfigLoader(configure, None)
    found = loader.find(first)
    found.content = {}
    with pytest.raises(TaskError, match="what was found of the configuration can't be used: "):
        loader.make(found, first)


def test_what_is_decided_at_the_start_stays(configure, load, said, tmp_path):
    second = load(lambda: configure(pid_file=str(tmp_path / "other.pid"), max_requests=7))
    assert second.config.service.pid_file is None
    assert second.config.service.max_requests == 7
    assert [line for line in said() if "change at a restart, not at a reload" in line] != []


def test_what_may_change_is_no_complaint(configure, load, said):
    load(lambda: configure(max_requests=7, max_memory=10**9, auto_reload=True, upload_spool="/tmp"))
    assert said() == []


def test_what_an_operator_should_mend_is_said_once(configure, load, said, root, tmp_path):
    made = acquire_resources(configure(), [], None)
    made.listeners[0].close()
    path = made.certificates["localhost"].path
    key = path.with_suffix(".key")
    key.chmod(0o644)
    load(lambda: configure(host=[{"name": "localhost", "root": str(root), "certificate": str(path), "key": str(key)}]))
    assert said() == [f"host[1].certificate: {key} can be read or changed by everyone: chmod 600 {key}"]


def test_what_can_not_be_opened_is_told_with_its_key(configure, load, tmp_path, root):
    with pytest.raises(TaskError, match=r"^log.access: can't open the log"):
        load(lambda: configure(log={"access": str(tmp_path / "none/a"), "error": "off"}))
    with pytest.raises(TaskError, match=r"^listen\[2\]: can't listen on unix:"):
        load(lambda: configure(listen=["127.0.0.1:0", f"unix:{tmp_path}/none/s"]))


def test_a_script_that_could_not_be_run_is_told(configure, load, said, root):
    (root / "script").write_text("#!/usr/bin/nosuch\n")
    (root / "script").chmod(0o755)
    load(lambda: configure(host=[{"name": "localhost", "script": str(root / "script")}]))
    assert [line.partition(" has ")[0] for line in said()] == [f"host[1].script: {root}/script"]


# What is said where something never answers


WAITED_FOR = {
    "a user": ("gemd.system.privileges.pwd.getpwnam", {"user": "somebody"}, "the user somebody could not be looked up"),
    "the groups of a user": (
        "gemd.system.privileges.os.getgrouplist",
        {"user": "daemon"},
        "the groups of the user daemon could not be looked up",
    ),
    "a group": (
        "gemd.system.privileges.grp.getgrnam",
        {"user": "daemon", "group": "some"},
        "the group some could not be looked up",
    ),
    "a root": ("gemd.startup.checks.os.open", {}, "the directory {root} could not be opened"),
    "a name": (
        "gemd.system.listener.socket.getaddrinfo",
        {"listen": ["a.example:1965"]},
        "the name a.example in `listen` could not be resolved",
    ),
    "a unix socket": (
        "gemd.system.listener.os.lstat",
        {"listen": ["unix:/run/a"]},
        "unix:/run/a could not be bound",
    ),
    "a self-signed certificate": (
        "gemd.system.certificates.make_private_directory",
        {"host": [{"name": "new.example", "root": "{root}"}]},
        "the certificate {tmp}/certificates/new.example.crt could not be found or made",
    ),
    "media types": (
        "gemd.system.mime_table.mimetypes.init",
        {},
        "the machine's table of media types, /etc/mime.types, could not be read",
    ),
    "authorities": (
        "gemd.system.authorities._load_pem",
        {"tls": {"ca-file": "{tmp}/ca.pem"}},
        "the authorities in {tmp}/ca.pem could not be read",
    ),
    "a log": (
        "gemd.system.log_file._walk",
        {"log": {"access": "{tmp}/a.log", "error": "off"}},
        "the log {tmp}/a.log could not be opened",
    ),
}


@pytest.mark.parametrize(("name", "tables", "said"), WAITED_FOR.values(), ids=WAITED_FOR)
def test_whatever_may_wait_has_a_name(configure, first, tmp_path, root, monkeypatch, name, tables, said):
    def fill(thing):
        if isinstance(thing, dict):
            return {key: fill(value) for key, value in thing.items()}
        if isinstance(thing, list):
            return list(map(fill, thing))
        return thing.replace("{tmp}", str(tmp_path)).replace("{root}", str(root))

    def read():
        config = configure(**fill(tables))
        check_machine(config)
        return config

    heard = []

    def wait(*_, **__):
        heard.append(attempt_under_way())
        raise OSError

    monkeypatch.setattr(name, wait)
    with pytest.raises((OSError, TaskError)):
        ConfigLoader(read, None).find(first)
    monkeypatch.undo()
    assert heard[0] == fill(said)
