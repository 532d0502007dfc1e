"""What is done in which role, and what is said where it is not."""

import logging

import pytest

from gemd.gemctl.options import _ACTIONS
from gemd.master.master import COMMANDS, SIGNALS
from gemd.master.orders import Order
from gemd.master.succession import Role

from .scripted import ScriptedCommand


@pytest.fixture
def asked():
    """What an order was called with."""
    return []


@pytest.fixture
def order(asked):
    return Order(
        lambda *what: asked.append(what), frozenset({Role.SERVING}), intention="going on", failure="not gone on"
    )


def test_it_is_announced_and_done_with_what_it_needs(order, asked, caplog, complaints):
    command = ScriptedCommand("go-on")
    order.give("a master", Role.SERVING, "SIGUSR1", command, 5.0)
    assert asked == [("a master", command, 5.0)]
    assert [record.getMessage() for record in caplog.records] == ["SIGUSR1: going on"]
    assert command.answers == []
    assert complaints() == []


REFUSALS = {
    Role.STARTING: (logging.ERROR, "no worker serves yet"),
    Role.UPGRADING: (logging.ERROR, "an upgrade is under way already"),
    Role.RETIRED: (logging.INFO, "another master serves"),
    Role.STOPPING: (logging.INFO, "gemd is stopping"),
}


@pytest.mark.parametrize(("role", "said"), REFUSALS.items())
def test_in_another_role_it_is_refused(order, asked, caplog, complaints, role, said):
    command = ScriptedCommand("go-on")
    order.give("a master", role, "gemctl", command, 5.0)
    order.give("a master", role, "SIGUSR1", None, 5.0)
    level, reason = said
    assert asked == []
    assert [(r.levelno, r.getMessage()) for r in caplog.records] == [(level, f"not gone on: {reason}")] * 2
    assert command.answers == [(False, (reason,))]


def test_whatever_is_not_heeded_in_every_role_says_what_has_not_happened():
    assert not [
        order for order in (*SIGNALS.values(), *COMMANDS.values()) if set(Role) - order.roles and not order.failure
    ]


def test_gemctl_knows_the_commands():
    assert {"status", *_ACTIONS} == set(COMMANDS)
