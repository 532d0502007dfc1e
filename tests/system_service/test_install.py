"""The service as `make install` leaves it."""

from tests.system_service.service import SOURCE


def test_the_shipped_files_serve_a_first_page(machine, service):
    service.configure((machine.path(SOURCE) / "etc/gemd.conf").read_text())
    machine.run("systemctl", "enable", "--now", "gemd")
    assert service.is_active
    assert service.fetch().startswith("20 text/gemini")
    assert "gemd" in machine.run("gemctl", "status").stdout
    machine.run("systemctl", "disable", "gemd")


def test_systemd_finds_nothing_to_complain_about(machine, service):
    done = machine.run("systemd-analyze", "verify", "--man=no", "gemd.service", "gemd.socket")
    assert done.stdout + done.stderr == ""


def test_systemd_finds_little_exposure(machine, service):
    machine.run("systemd-analyze", "security", "--threshold=25", "gemd.service")


def test_an_edited_configuration_survives_another_install(machine, service):
    edited = machine.read("/etc/gemd.conf")
    machine.run("make", "-C", SOURCE, "install-files")
    assert machine.read("/etc/gemd.conf") == edited


def test_the_service_runs_as_gemd_and_without_capabilities(machine, service):
    service.start()
    for pid in service.processes():
        status = dict(line.split(":\t", 1) for line in machine.run("cat", f"/proc/{pid}/status").stdout.splitlines())
        uid = machine.run("id", "-u", "gemd").stdout.strip()
        gid = machine.run("id", "-g", "gemd").stdout.strip()
        assert status["Uid"].split() == [uid] * 4
        assert status["Gid"].split() == [gid] * 4
        assert {status[name] for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"
