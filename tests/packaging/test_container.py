"""The Containerfile: every file, command and path in it, without a program that builds images."""

import json
import os
import re
import shutil
import signal
import subprocess
import tomllib

import pytest

from tests.packaging.installing import PROJECT, find_python, make
from tests.support.waiting import LONGEST, wait_for

pytestmark = pytest.mark.timeout(600)

STEPS = [
    tuple(line.split(" ", 1))
    for line in re.sub(r" *\\\n *", " ", (PROJECT / "Containerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
ENTRYPOINT = json.loads(dict(STEPS)["ENTRYPOINT"])
HEALTHCHECK = json.loads(dict(STEPS)["HEALTHCHECK"].partition("CMD ")[2])
VOLUMES = json.loads(dict(STEPS)["VOLUME"])
WRITABLE = ("/var/lib/gemd", "/run/gemd")  # in a container that may write to nothing else
OWN_COPIES = [text.split() for step, text in STEPS if step == "COPY" and "--from" not in text]


def test_what_is_copied_is_there_and_not_ignored():
    ignored, *rest = (PROJECT / ".containerignore").read_text().split("\n", 1)[1].split()
    assert ignored == "*"
    sources = {source for *sources, _ in OWN_COPIES for source in sources}
    assert sources == {name.removeprefix("!") for name in rest if name.startswith("!")}
    assert all((PROJECT / source).exists() for source in sources)


def test_what_is_taken_from_the_first_image_stays_where_it_is():
    taken = [text.split()[1:] for step, text in STEPS if step == "COPY" and "--from" in text]
    for source, target in taken:
        assert source == target
    assert [source for source, _ in taken] == ["/usr/local/lib/gemd", "/usr/local/sbin"]


def test_the_user_has_no_rights_and_owns_what_is_written():
    user, group = dict(STEPS)["USER"].split(":")
    assert int(user) > 0
    (prepare,) = [text for step, text in STEPS if step == "RUN" and "install -d" in text]
    made = re.findall(r"install -d -o (\d+) -g (\d+) -m \d+ (\S+)", prepare)
    assert made == [(user, group, path) for path in WRITABLE]


def test_the_configuration_is_that_of_the_paths():
    *_, path = ENTRYPOINT
    assert ["etc/container.conf", path] in OWN_COPIES
    config = tomllib.loads((PROJECT / "etc/container.conf").read_text())
    assert config["tls"]["certificates"] == VOLUMES[1] == WRITABLE[0]
    assert config["host"][0]["root"] == VOLUMES[0] == dict(STEPS)["WORKDIR"]
    assert config["control"] in HEALTHCHECK
    assert config["control"].startswith(f"{WRITABLE[1]}/")
    assert config["listen"] == [f"[::]:{dict(STEPS)['EXPOSE']}"]


def test_the_documents_run_it_as_it_is_made():
    """In the same words as the head of the Containerfile, with volumes where it has them."""
    head = (PROJECT / "Containerfile").read_text().partition("\nARG")[0].replace("\n#", "\n")
    spoken = [" ".join(text.replace("\\\n", " ").split()) for text in (head, (PROJECT / "docs/INSTALL.md").read_text())]
    (run,) = {re.search(r"podman run .*? --hostname example\.org", text)[0] for text in spoken}
    assert f"--read-only --tmpfs {WRITABLE[1]}:" in run
    assert set(re.findall(r"-v [\w./-]+:([\w/]+)", run)) == set(VOLUMES)
    assert f"-p 1965:{dict(STEPS)['EXPOSE']}" in run
    (build,) = {re.search(r"podman build .*? -t gemd \.", text)[0] for text in spoken}
    assert "--format docker" in build


@pytest.mark.slow
def test_what_is_copied_is_enough_to_install(tmp_path):
    folder = tmp_path / "src"
    for *sources, target in OWN_COPIES:
        if target.startswith("/src/"):
            for source in sources:
                place = folder / target.removeprefix("/src/")
                place.mkdir(parents=True, exist_ok=True)
                if (PROJECT / source).is_dir():
                    shutil.copytree(PROJECT / source, place, dirs_exist_ok=True)
                else:
                    shutil.copy(PROJECT / source, place)
    (command,) = [text for step, text in STEPS if step == "RUN" and text.startswith("make")]
    words = command.split()
    assert words[:4] == ["make", "-C", "/src", "install-program"]
    make("install-program", folder=folder, DESTDIR=tmp_path / "image", PYTHON=find_python())
    for program in (ENTRYPOINT[0], HEALTHCHECK[0]):
        assert (tmp_path / "image" / program[1:]).is_symlink()
    assert (tmp_path / "image/usr/local/lib/gemd/current/bin/gemd").exists()


@pytest.fixture
def inside(installation):
    """A path of the container, below a directory of the test's own; gemd's programs are those that are installed."""
    top = installation.top / "container"
    for path in (*WRITABLE, "/etc", "/srv/gemini"):
        (top / path[1:]).mkdir(parents=True)
    (top / "srv/gemini/index.gmi").write_text("# Here\n")
    if os.geteuid() == 0:
        for path in WRITABLE:
            os.chown(top / path[1:], 65534, 65534)

    def inside(text):
        text = text.replace("/usr/local/sbin", f"{installation.prefix}/sbin")
        return re.sub(r"(?<![\w/])/(?=(etc|srv|var|run)/)", f"{top}/", text)

    configuration = (PROJECT / "etc/container.conf").read_text()
    (top / ENTRYPOINT[-1][1:]).write_text(inside(configuration))
    yield inside
    shutil.rmtree(top)


def test_gemd_serves_and_is_healthy_until_it_is_stopped(inside, installation):
    """As a user without rights, with nothing but flags to say whose capsule it is."""

    def is_healthy():
        return subprocess.run(list(map(inside, HEALTHCHECK)), capture_output=True, timeout=60).returncode == 0

    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    before = set(installation.files())
    command = [*map(inside, ENTRYPOINT), "--hostname", "example.org", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **user) as gemd:
        try:
            wait_for(is_healthy, "gemd to be healthy")
            made = {f"/{path}".removeprefix("/container") for path in set(installation.files()) - before}
        finally:
            gemd.send_signal(signal.Signals[dict(STEPS)["STOPSIGNAL"]])
            said, _ = gemd.communicate(timeout=LONGEST)
    assert gemd.returncode == 0, said
    assert "serving gemini://example.org:" in said
    assert made == {"/var/lib/gemd/example.org.crt", "/var/lib/gemd/example.org.key"}
    assert not is_healthy()
