"""With gemd.socket: the port stays open whatever becomes of the service."""

from tests.system_service.machine import wait_for


def test_the_first_client_starts_the_service(service):
    service.control("start", "gemd.socket")
    assert not service.is_active
    assert service.fetch().startswith("20 ")
    wait_for(lambda: service.is_active, "systemd to have heard of it")


def test_the_sockets_of_systemd_are_served_whatever_the_configuration_says(service):
    service.configure(service.machine.read("/etc/gemd.conf").replace("1965", "1966"))
    service.control("start", "gemd.socket", "gemd.service")
    assert service.fetch().startswith("20 ")


def test_twenty_restarts_under_load_lose_no_request(service):
    service.control("start", "gemd.socket", "gemd.service")
    pids = {service.main_pid}
    with service.load("/cgi-bin/slow") as slow, service.load() as pages:
        for _ in range(20):
            service.control("restart", "gemd.service")
            pids.add(service.main_pid)
    assert len(pids) == 21
    assert slow.keys() == pages.keys() == {"ok"}


def test_a_crash_refuses_nobody(machine, service):
    service.control("start", "gemd.socket", "gemd.service")
    machine.run("kill", "-KILL", str(service.main_pid))
    assert service.fetch().startswith("20 ")
    wait_for(lambda: service.is_active, "the service")


def test_reloads_and_upgrades_keep_the_sockets(machine, service):
    service.control("start", "gemd.socket", "gemd.service")
    with service.load() as seen:
        for _ in range(3):
            before = service.main_pid
            service.control("reload", "gemd")
            machine.run("gemctl", "upgrade")
            wait_for(lambda before=before: service.main_pid != before, "systemd to follow")
    assert seen.keys() == {"ok"}
    service.control("restart", "gemd.service")
    assert service.fetch().startswith("20 ")


def test_scripts_know_nothing_of_the_sockets(service):
    service.control("start", "gemd.socket", "gemd.service")
    environment = service.fetch("/cgi-bin/environment")
    assert "GATEWAY_INTERFACE" in environment
    assert "LISTEN_" not in environment


def test_a_stopped_socket_is_closed(machine, service):
    service.control("start", "gemd.socket", "gemd.service")
    service.control("stop", "gemd.socket", "gemd.service")
    assert machine.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 | grep ':07AD .* 0A '", check=False).stdout == ""
