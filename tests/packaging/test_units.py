"""systemd's own opinion of what is installed for it."""

import stat
import subprocess

import pytest

from tests.conftest import need_root
from tests.packaging.installing import make

pytestmark = pytest.mark.timeout(600)


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("unit", ["gemd.service", "gemd.socket"])
def test_systemd_has_no_complaint(installation, unit, need_program):
    done = run(need_program("systemd-analyze"), "verify", "--man=no", installation.top / "units" / unit)
    complaints = [line for line in done.stderr.splitlines() if "gemd" in line]
    assert (done.returncode, complaints) == (0, [])


def test_little_is_exposed(installation, need_program):
    unit = installation.top / "units/gemd.service"
    analyze = need_program("systemd-analyze")
    done = run(analyze, "security", "--no-pager", "--offline=true", "--threshold=25", unit)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prepare(tmp_path, need_program):
    """The two commands that README names, for a machine whose files are below tmp_path."""
    make("install-files", DESTDIR=tmp_path)
    programs = [need_program("systemd-sysusers"), need_program("systemd-tmpfiles")]

    def prepare():
        for command in ([programs[0]], [programs[1], "--create"]):
            done = run(*command, f"--root={tmp_path}", "gemd.conf")
            assert done.returncode == 0, done.stderr

    prepare()
    return prepare


@need_root
def test_the_user_and_the_directories_are_made(prepare, tmp_path):
    entry = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("gemd:"))
    uid, gid = map(int, entry.split(":")[2:4])
    assert entry.endswith("/var/lib/gemd:/usr/sbin/nologin")
    for path, mode in {"run/gemd": 0o755, "var/lib/gemd": 0o700, "var/log/gemd": 0o750}.items():
        status = (tmp_path / path).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, uid, gid), path


@need_root
def test_a_first_page_is_there_until_there_is_a_capsule(prepare, tmp_path):
    page = tmp_path / "srv/gemini/index.gmi"
    assert page.read_text().startswith("# ")
    assert stat.S_IMODE(page.stat().st_mode) == 0o644
    page.rename(page.with_name("other.gmi"))
    prepare()
    assert not page.exists()
