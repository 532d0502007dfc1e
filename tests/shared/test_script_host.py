from gemd.shared.script_host import ScriptHost, ScriptSetup
from gemd.system.privileges import Identity


def test_it_is_called_after_its_user():
    host = ScriptHost(ScriptSetup(Identity("alice", 1001, 1002, ()), None, None))
    assert (host.name, host.title) == ("alice", "the script host of alice")
    assert not host.is_needed
    host.close()
