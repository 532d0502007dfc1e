"""What holds of every script unless it says otherwise."""

from gemd.system.running_script import Remains, RunningScript


class Plain(RunningScript):
    """Says nothing otherwise."""


def test_it_runs_here_and_is_looked_after_by_a_thread():
    script = Plain()
    assert not script.is_elsewhere
    assert not script.end_if_gone()  # nobody can see that at once
    assert script.discard() is None


def test_where_nothing_had_to_be_ended_nothing_remains():
    assert Remains() == Remains(0, 0)
    assert Remains(1, 0) != Remains() != Remains(0, 1)
