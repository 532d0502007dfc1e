"""Other users than the shipped unit's, by drop-ins such as the unit describes."""

from tests.system_service.service import CONFIGURATION

AS_ROOT = """\
[Service]
User=root
Group=root
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL CAP_SYS_CHROOT CAP_DAC_READ_SEARCH
SystemCallFilter=@setuid chroot
"""


def status_of(machine, pid: int) -> dict[str, str]:
    lines = machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_user_that_exists_while_the_service_runs(machine, service):
    """On a machine that never had the lasting user."""
    ids = [machine.run("id", flag, "gemd").stdout.strip() for flag in ("-u", "-g")]
    machine.run("userdel", "gemd")
    machine.run("sh", "-c", "rm -rf /var/lib/gemd /var/log/gemd /run/gemd")
    try:
        service.drop_in("[Service]\nDynamicUser=yes\n")
        service.start()
        assert service.fetch().startswith("20 ")
        uids = {status_of(machine, pid)["Uid"].split()[0] for pid in service.processes()}
        assert len(uids) == 1
        assert 61184 <= int(uids.pop()) <= 65519
        service.control("reload", "gemd")
        machine.run("gemctl", "upgrade")
        assert service.fetch().startswith("20 ")
        service.control("restart", "gemd")  # the key it made is found again
        assert service.fetch().startswith("20 ")
        service.control("stop", "gemd")
    finally:
        service.control("stop", "gemd", check=False)
        machine.run(
            "sh", "-c", "rm -rf /var/lib/gemd /var/log/gemd /run/gemd /var/lib/private/gemd /var/log/private/gemd"
        )
        machine.run("groupadd", "-r", "-g", ids[1], "gemd")
        machine.run(
            "useradd", "-r", "-u", ids[0], "-g", "gemd", "-d", "/var/lib/gemd", "-s", "/usr/sbin/nologin", "gemd"
        )
        machine.run("systemd-tmpfiles", "--create", "gemd.conf")


def test_a_key_that_only_root_can_read(machine, service):
    machine.run("mkdir", "-m", "700", "/root/keys")
    machine.run("gemctl", "cert", "new", "localhost", "--directory", "/root/keys")
    service.drop_in(
        "[Service]\nLoadCredential=localhost.key:/root/keys/localhost.key\n"
        "LoadCredential=localhost.crt:/root/keys/localhost.crt\n"
    )
    given = "/run/credentials/gemd.service/localhost"
    service.configure(CONFIGURATION + f'certificate = "{given}.crt"\nkey = "{given}.key"\n')
    service.start()
    assert service.fetch().startswith("20 ")
    service.control("reload", "gemd")
    assert service.fetch().startswith("20 ")


def test_a_master_that_stays_root(machine, service):
    extra = 'master-user = "root"\nchroot = "/srv/gemini"\n'
    service.configure(CONFIGURATION.replace("control =", f"{extra}control =").replace('cgi = "cgi-bin"\n', ""))
    service.drop_in(AS_ROOT)
    machine.run("sh", "-c", "chown -R root:root /var/log/gemd")
    try:
        service.start()
        assert service.fetch().startswith("20 ")
        uid = machine.run("id", "-u", "gemd").stdout.strip()
        assert status_of(machine, service.main_pid)["Uid"].split() == ["0"] * 4
        workers = service.workers()
        assert len(workers) == 2
        for pid in workers:
            status = status_of(machine, pid)
            assert status["Uid"].split() == [uid] * 4
            assert status["CapEff"] == status["CapPrm"] == "0" * 16
            assert machine.run("readlink", f"/proc/{pid}/root").stdout.strip() == "/srv/gemini"
        service.control("reload", "gemd")
        machine.run("gemctl", "upgrade")
        assert service.fetch().startswith("20 ")
        service.stop()
    finally:
        service.control("stop", "gemd", check=False)
        machine.run("sh", "-c", "chown -R gemd:gemd /var/log/gemd /var/lib/gemd /run/gemd")


def test_a_service_that_detaches(machine, service):
    """Type=forking, for those who have other supervisors too."""
    service.configure(CONFIGURATION.replace("control =", "daemon = true\ncontrol ="))
    service.drop_in("[Service]\nType=forking\nPIDFile=/run/gemd/gemd.pid\nNotifyAccess=none\nWatchdogSec=0\n")
    service.start()
    assert service.fetch().startswith("20 ")
    assert service.processes()[service.main_pid].startswith("gemd: master")
    service.control("reload", "gemd")
    service.stop()
