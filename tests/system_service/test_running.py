"""Start, reload, rotation, upgrade, watchdog and stop, as systemd sees them."""

import json

from tests.system_service.machine import LONGEST, wait_for
from tests.system_service.service import CLIENT, CONFIGURATION


def test_it_serves_as_soon_as_start_returns(machine, service):
    for _ in range(5):
        service.control("reset-failed", "gemd", check=False)  # starts are rationed
        both = f"systemctl start gemd && python3 {CLIENT} fetch gemini://localhost/"
        assert machine.run("sh", "-c", both).stdout.startswith("20 ")
        service.stop()


def test_a_start_that_fails_is_no_start(service):
    service.configure(CONFIGURATION.replace("workers", "worker"))
    assert service.control("start", "gemd", check=False).returncode != 0
    assert service.show("ActiveState") == "failed"
    assert service.show("ExecMainStatus") == "3"
    assert service.show("NRestarts") == "0"  # it would fail again
    assert "there is no such key" in service.journal()


def test_status_says_how_it_is(machine, service):
    service.start()
    shown = wait_for(lambda: service.show("StatusText"), "a status")
    assert "2 workers" in shown
    assert shown in machine.run("systemctl", "status", "gemd").stdout


def test_reload_takes_a_new_configuration(service):
    service.start()
    before = service.main_pid
    service.configure(CONFIGURATION + 'lang = "fr"\n')
    service.control("reload", "gemd")
    assert "lang=fr" in service.fetch().splitlines()[0]
    assert service.is_active
    assert service.main_pid == before


def test_a_reload_with_a_typo_fails_and_says_why(service):
    service.start()
    before, workers = service.main_pid, service.workers()
    service.configure(CONFIGURATION.replace("root", "rot"))
    assert service.control("reload", "gemd", check=False).returncode != 0
    assert ": rot: there is no such key" in service.journal()
    assert service.is_active
    assert (service.main_pid, service.workers()) == (before, workers)
    assert service.fetch().startswith("20 ")
    service.configure(CONFIGURATION)
    service.control("reload", "gemd")
    assert service.is_active


def test_hup_is_a_reload(machine, service):
    service.start()
    workers = service.workers()
    machine.run("systemctl", "kill", "--kill-whom=main", "-s", "HUP", "gemd")
    wait_for(lambda: not set(workers) & set(service.workers()), "new workers")
    wait_for(lambda: service.is_active, "the reload to be over")
    assert service.fetch().startswith("20 ")


def test_no_request_is_lost_in_reloads(service):
    service.start()
    with service.load("/cgi-bin/slow") as slow, service.load() as pages:
        for _ in range(5):
            service.control("reload", "gemd")
    assert slow.keys() == pages.keys() == {"ok"}


def test_logs_are_rotated_under_load(machine, service):
    service.start()
    old = len(service.lines())
    with service.load() as seen:
        machine.run("logrotate", "-f", "/etc/logrotate.d/gemd")
        wait_for(service.lines, "lines in the new file")
        wait_for(lambda: not writers(machine, "access.log.1"), "nobody to have the old file open")
    assert seen.keys() == {"ok"}
    lines = service.lines("access.log.1") + service.lines()
    assert len(lines) - old == seen["ok"]
    assert all(line.endswith('"') or line.rsplit(" ", 1)[-1].isdigit() for line in lines)


def writers(machine, name: str) -> str:
    """The descriptors of the service by which this log is open."""
    return machine.run(
        "sh", "-c", f"ls -l /proc/[0-9]*/fd 2>/dev/null | grep /var/log/gemd/{name}$", check=False
    ).stdout


def check_upgraded(service, before: int) -> int:
    """systemd follows the new master, which is the service's now; its pid."""
    wait_for(lambda: service.main_pid != before, "systemd to follow")
    wait_for(lambda: before not in service.processes(), "the old master to leave")
    after = service.main_pid
    assert service.processes()[after].startswith("gemd: master")
    assert service.machine.run("cat", "/run/gemd/gemd.pid").stdout.strip() == str(after)
    assert service.is_active
    return after


def test_upgrades_keep_the_service_and_every_request(machine, service):
    service.start()
    pid = service.main_pid
    with service.load("/cgi-bin/slow") as slow, service.load() as pages:
        for i in range(6):
            if i % 2:
                machine.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "gemd")
            else:
                machine.run("gemctl", "upgrade")
            pid = check_upgraded(service, pid)
    assert slow.keys() == pages.keys() == {"ok"}
    assert service.show("NRestarts") == "0"
    environment = service.fetch("/cgi-bin/environment")
    assert "GATEWAY_INTERFACE" in environment
    assert not any(name in environment for name in ("NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_"))


def test_an_upgrade_is_no_surprise_to_systemd(machine, service):
    """It believes what it is told, by whom it is told, and stops the new master as it would have stopped the old."""
    service.start()
    pid = service.main_pid
    machine.run("gemctl", "upgrade")
    check_upgraded(service, pid)
    service.control("reload", "gemd")
    with service.begin("/cgi-bin/finish") as client:
        assert client.stdout.readline() == "20 text/plain\n"
        service.stop()
        assert client.stdout.read() == "begun\nover\n"
    journal = service.journal()
    assert "stopping" in journal
    assert "which is not our child" not in journal
    assert "reception only permitted for main PID" not in journal


def test_a_stop_after_an_upgrade_needs_no_control_socket(machine, service):
    service.configure(CONFIGURATION.replace("control =", "#control ="))
    service.start()
    pid = service.main_pid
    machine.run("systemctl", "kill", "--kill-whom=main", "-s", "USR2", "gemd")
    check_upgraded(service, pid)
    service.stop()


def test_the_watchdog_knows_the_new_master(machine, service):
    service.drop_in("[Service]\nWatchdogSec=3\nTimeoutAbortSec=1\n")
    service.start()
    pid = service.main_pid
    machine.run("gemctl", "upgrade")
    pid = check_upgraded(service, pid)
    machine.run("sleep", "7")  # signs of life come from it, or it would be restarted by now
    assert service.main_pid == pid
    check_watchdog(machine, service)


def test_the_watchdog_restarts_a_master_that_hangs(machine, service):
    service.drop_in("[Service]\nWatchdogSec=3\nTimeoutAbortSec=1\n")
    service.start()
    check_watchdog(machine, service)


def check_watchdog(machine, service) -> None:
    pid = service.main_pid
    machine.run("kill", "-STOP", str(pid))
    wait_for(lambda: service.show("NRestarts") == "1" and service.is_active, "systemd to start another")
    assert service.main_pid != pid
    assert "Watchdog timeout" in service.journal()
    assert service.fetch().startswith("20 ")


def test_a_killed_master_is_replaced(machine, service):
    service.start()
    workers = service.workers()
    machine.run("kill", "-KILL", str(service.main_pid))
    wait_for(lambda: service.show("NRestarts") == "1" and service.is_active, "systemd to start another")
    assert service.fetch().startswith("20 ")
    assert not set(workers) & set(service.processes())


def test_stop_leaves_nothing_behind(machine, service):
    service.configure(CONFIGURATION.replace("stop = 20", "stop = 2"))
    service.start()
    with service.begin("/cgi-bin/sleep") as client:
        assert client.stdout.readline() == "20 text/plain\n"
        service.stop()
        assert service.processes() == {}
        assert client.wait(LONGEST) != 0  # and knows that this was not all
    assert machine.run("ls", "/run/gemd").stdout.split() in ([], ["gemd.pid.lock"])


def test_a_configuration_that_is_wrong_by_now_does_not_keep_it_from_stopping(service):
    service.start()
    service.configure("listen = [\n")
    service.stop()


def test_stop_waits_for_what_can_be_finished(service):
    service.start()
    with service.begin("/cgi-bin/finish") as client:
        assert client.stdout.readline() == "20 text/plain\n"
        service.stop()
        assert client.stdout.read() == "begun\nover\n"
        assert client.wait(LONGEST) == 0


def test_scripts_know_nothing_of_systemd(service):
    service.start()
    environment = service.fetch("/cgi-bin/environment")
    assert "GATEWAY_INTERFACE" in environment
    assert not any(name in environment for name in ("NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "INVOCATION_ID"))


def test_gemctl_sees_what_systemd_sees(machine, service):
    service.start()
    status = json.loads(machine.run("gemctl", "status", "--json").stdout)
    assert status["pid"] == service.main_pid
    assert sorted(worker["pid"] for worker in status["workers"]) == sorted(service.workers())
