"""What `make install` puts where, what it leaves alone, and what `make uninstall` takes away again."""

import mmap
import os
import re
import shutil
import stat
import subprocess

import pytest

import gemd
from tests.conftest import need_root
from tests.packaging.installing import COMMANDS, PROJECT, make

pytestmark = pytest.mark.timeout(600)

MANUALS = [path.name for path in (PROJECT / "man").glob("*.[1-9]")]
GROUP = os.getegid()
EXPECTED = {
    *(f"gemd/sbin/{command}" for command in COMMANDS),
    *(f"gemd/share/man/man{name[-1]}/{name}" for name in MANUALS),
    *(f"gemd/share/bash-completion/completions/{command}" for command in COMMANDS),
    *(f"gemd/share/zsh/site-functions/_{command}" for command in COMMANDS),
    *(f"gemd/share/fish/vendor_completions.d/{command}.fish" for command in COMMANDS),
    "gemd/share/gemd/gemd.conf",
    "gemd/share/gemd/logrotate",
    "gemd/share/gemd/welcome/index.gmi",
    "gemd/share/gemd/prometheus/gemd-dashboard.json",
    "gemd/share/gemd/prometheus/gemd-alerts.yml",
    "gemd/lib/gemd/certbot-hook",
    "gemd/lib/gemd/current",
    "etc/gemd.conf",
    "etc/logrotate.d/gemd",
    "units/gemd.service",
    "units/gemd.socket",
    "users/gemd.conf",
    "directories/gemd.conf",
}


def release(installation):
    return (installation.programs / "current").resolve()


def test_installs_what_it_should_and_nothing_else(installation):
    inside = f"gemd/lib/gemd/{release(installation).name}/"
    assert {str(path) for path in installation.files() if inside not in f"{path}"} == EXPECTED


def test_the_commands_run_at_their_final_place(installation):
    for command in COMMANDS:
        done = installation.run(command, "-V")
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{command} {gemd.__version__}"), done.stderr


def test_no_file_names_the_directory_that_it_was_staged_in(installation):
    stage = str(installation.top.with_name("stage"))
    for path in installation.top.rglob("*"):
        if path.is_symlink():
            assert stage not in str(path.readlink()), path
        elif path.is_file():
            assert stage.encode() not in path.read_bytes(), path


def test_the_virtual_environment_has_the_commands_and_no_pip(installation):
    programs = {path.name for path in (release(installation) / "bin").iterdir() if not path.name.startswith("python")}
    assert programs == set(COMMANDS)
    assert not list(release(installation).glob("lib/python*/site-packages/pip*"))
    assert list(release(installation).glob("lib/python*/site-packages/gemd/__pycache__/__main__.*.pyc"))


def test_every_path_is_filled_in(installation):
    for path in EXPECTED:
        if not path.startswith("gemd/sbin"):
            text = (installation.top / path).read_text() if (installation.top / path).is_file() else ""
            assert not re.search(r"@[A-Z]+@", text), path
    unit = (installation.top / "units/gemd.service").read_text()
    assert f"ExecStart={installation.prefix}/sbin/gemd -c {installation.top}/etc/gemd.conf\n" in unit


def test_everyone_may_read_it_and_only_the_owner_may_change_it(installation):
    for path in [installation.top, *installation.top.rglob("*")]:
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            assert (mode & 0o022, mode & 0o444) == (0, 0o444), path
            assert stat.S_ISREG(mode) or mode & 0o555 == 0o555, path


class TestAConfigurationFile:
    """With `make install-files` alone, which is quick."""

    @pytest.fixture
    def install(self, tmp_path):
        def install() -> str:
            return make("install-files", DESTDIR=tmp_path).stdout

        install()
        return install

    @pytest.fixture
    def files(self, tmp_path, install):
        return [tmp_path / "etc/gemd.conf", tmp_path / "etc/logrotate.d/gemd"]

    def neighbours(self, files):
        return {path.name for file in files for path in file.parent.glob(f"{file.name}?*")}

    def pretend_an_older_version_was_installed(self, tmp_path, files):
        for file, copy in zip(files, ("gemd.conf", "logrotate"), strict=True):
            for path in (file, tmp_path / "usr/local/share/gemd" / copy):
                path.write_text("# as it was in an older version\n")

    def test_installing_again_changes_nothing(self, install, files):
        before = [file.read_text() for file in files]
        assert "kept" not in install()
        assert [file.read_text() for file in files] == before
        assert not self.neighbours(files)

    def test_one_that_was_not_edited_is_replaced_and_keeps_its_mode(self, install, files, tmp_path):
        before = [file.read_text() for file in files]
        self.pretend_an_older_version_was_installed(tmp_path, files)
        files[0].chmod(0o640)
        assert "kept" not in install()
        assert [file.read_text() for file in files] == before
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o640

    def test_one_that_was_edited_stays(self, install, files, tmp_path):
        new = files[0].read_text()
        self.pretend_an_older_version_was_installed(tmp_path, files)
        for file in files:
            file.write_text("# mine\n")
        said = install()
        assert [file.read_text() for file in files] == ["# mine\n", "# mine\n"]
        assert all(f"kept {file}, which was edited" in said for file in files)
        assert self.neighbours(files) == {"gemd.conf.new"}
        assert files[0].with_name("gemd.conf.new").read_text() == new
        said = install()
        assert [file.read_text() for file in files] == ["# mine\n", "# mine\n"]

    def test_one_that_was_there_before_gemd_stays(self, install, files, tmp_path):
        shutil.rmtree(tmp_path / "usr")
        files[0].write_text("# from my other server\n")
        assert f"kept {files[0]}, which was there before; the new one is {files[0]}.new" in install()
        assert files[0].read_text() == "# from my other server\n"

    def test_one_that_was_removed_comes_back(self, install, files):
        for file in files:
            file.unlink()
        install()
        assert all(file.exists() for file in files)

    def test_uninstalling_takes_it_away_unless_it_was_edited(self, files, tmp_path):
        files[1].write_text("# mine\n")
        said = make("uninstall", DESTDIR=tmp_path).stdout
        assert f"kept {files[1]}, which was edited" in said
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [files[1]]


def test_uninstalling_leaves_what_is_not_its_own(installation, tmp_path):
    top = tmp_path / installation.top.relative_to("/")
    top.parent.mkdir(parents=True)
    shutil.copytree(installation.top, top, symlinks=True)
    kept = [tmp_path / name for name in ("var/lib/gemd/x.key", "var/log/gemd/access.log", "srv/gemini/index.gmi")]
    kept += [top / "etc/gemd.conf", top / "gemd/sbin/other"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine\n")
    said = make("uninstall", DESTDIR=tmp_path, **installation.variables).stdout
    assert sorted(path for path in tmp_path.rglob("*") if not path.is_dir()) == sorted(kept)
    assert f"kept {top}/etc/gemd.conf, which was edited" in said
    for path in ("/var/lib/gemd", "/var/log/gemd", "/srv/gemini"):
        assert f"kept {tmp_path}{path}\n" in said


class TestUninstalling:
    """Two PREFIXes on one machine: `make uninstall` of one leaves the other's."""

    @pytest.fixture
    def uninstall(self, tmp_path):
        def uninstall(prefix):
            return make("uninstall", DESTDIR=tmp_path, PREFIX=prefix).stdout.splitlines()

        (tmp_path / "var/lib/gemd").mkdir(parents=True)
        return uninstall

    def files(self, tmp_path):
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}

    def test_a_prefix_without_gemd(self, uninstall, tmp_path):
        make("install-files", DESTDIR=tmp_path, PREFIX="/usr/local")
        before = self.files(tmp_path)
        assert uninstall("/opt/gemd") == [f"there is no gemd in {tmp_path}/opt/gemd"]
        assert self.files(tmp_path) == before

    def test_a_program_alone_takes_nothing_of_the_service_along(self, uninstall, tmp_path):
        make("install-files", DESTDIR=tmp_path, PREFIX="/usr/local")
        before = self.files(tmp_path)
        (tmp_path / "opt/gemd/lib/gemd/current").mkdir(parents=True)
        assert uninstall("/opt/gemd") == [f"removed gemd from {tmp_path}/opt/gemd"]
        assert self.files(tmp_path) == before
        assert not (tmp_path / "opt/gemd/lib/gemd").exists()

    def test_the_one_that_was_installed_last_has_the_service(self, uninstall, tmp_path):
        make("install-files", DESTDIR=tmp_path, PREFIX="/opt/gemd")
        make("install-files", DESTDIR=tmp_path, PREFIX="/usr/local")
        unit = tmp_path / "usr/local/lib/systemd/system/gemd.service"
        assert uninstall("/opt/gemd") == [
            f"kept {unit}, which starts another gemd",
            f"removed gemd from {tmp_path}/opt/gemd",
        ]
        assert not {name for name in self.files(tmp_path) if name.startswith("opt")}
        assert unit.exists()
        said = uninstall("/usr/local")
        assert said[1:] == [f"kept {tmp_path}/var/lib/gemd", f"removed gemd from {tmp_path}/usr/local"]
        assert self.files(tmp_path) == {"etc/logrotate.d/gemd"}, "which calls the gemctl of /opt/gemd"


@pytest.fixture
def certbot(installation, tmp_path):
    """Run the hook as certbot does, in a directory of its own, and with no gemd that could reload; the pair it made."""
    lineage = tmp_path / "live/example.org"
    lineage.mkdir(parents=True)
    hook = (installation.programs / "certbot-hook").read_text()
    hook = hook.replace(f"{installation.top}/etc", str(tmp_path)).replace("/run/gemd", "/nowhere")
    (tmp_path / "hook").write_text(hook)

    def certbot(content, slashes="", group=GROUP):
        for name in ("privkey", "fullchain"):
            (lineage / f"{name}.pem").write_text(f"{content} {name}\n")
        environ = {**os.environ, "RENEWED_LINEAGE": f"{lineage}{slashes}"}
        subprocess.run(f"sh {tmp_path}/hook {group}", shell=True, check=True, env=environ)
        return {path.name: path.read_text() for path in (tmp_path / "gemd").iterdir()}

    return certbot


@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_certbot_hands_its_certificates_over(certbot, tmp_path, slashes):
    for content in ("first", "renewed"):
        pair = certbot(content, slashes)
        assert pair == {"example.org.key": f"{content} privkey\n", "example.org.crt": f"{content} fullchain\n"}
    assert stat.S_IMODE((tmp_path / "gemd/example.org.key").stat().st_mode) == 0o640


@need_root
def test_certbot_hands_a_key_to_the_group_that_is_named(certbot, tmp_path):
    certbot("first", group="daemon")
    assert (tmp_path / "gemd/example.org.key").group() == "daemon"


def test_the_hook_says_what_it_is_for(installation):
    environ = {name: value for name, value in os.environ.items() if name != "RENEWED_LINEAGE"}
    done = subprocess.run(
        ["sh", installation.programs / "certbot-hook"], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "RENEWED_LINEAGE: is not set: certbot calls this" in done.stderr


@pytest.mark.slow
def test_installing_again_keeps_what_a_running_gemd_may_need(installation):
    before = release(installation)
    unused, used = installation.programs / "0.0.1-unused", installation.programs / "0.0.2-used"
    for old in (unused, used):
        old.mkdir()
        (old / "library.so").write_bytes(bytes(mmap.PAGESIZE))
    with (used / "library.so").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        make("install", **installation.variables)
    assert release(installation) == before
    assert (used.is_dir(), unused.is_dir()) == (True, False)
    shutil.rmtree(used)
    assert installation.run("gemd", "-V").returncode == 0
