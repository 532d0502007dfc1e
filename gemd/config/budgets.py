"""Budgets: what a `rate` allows each client, and which of them hold for a location.

Rule: a budget belongs to the place where it was set, and is spent by all that lies below, besides those of what lies
there, until one says in so many words that there is none.
"""

from collections.abc import Iterator

from gemd.config.host_settings import Host, Location
from gemd.config.placement import list_above
from gemd.config.rate import parse_rate
from gemd.config.tables import key_path, show
from gemd.config.types import Budget, RateTable
from gemd.protocol.networks import parse_network

NONE = "none"
_MARKS = {"prefix": "", "glob": "?glob", "exact": "?exact"}  # so that equal paths are places of their own
_EVERYWHERE = "limits.rate"
_LONGEST = 31_536_000.0  # seconds until a budget is whole again, at most


def judge_rate(rate: str | RateTable | None, *, is_everywhere: bool = False) -> Iterator[tuple[str, str]]:
    """What is wrong with a rate: of a table by key, else by "". That of the whole daemon can't be lifted."""
    if rate is None or (rate == NONE and not is_everywhere):
        return
    table = RateTable(limit=rate) if isinstance(rate, str) else rate
    try:
        _parse(table, "")
    except ValueError as error:
        yield "limit" if table is rate else "", f"{error}, not {show(table.limit)}"
    if is_everywhere and table.by != "address":
        yield "by", "the whole daemon's is by address: set one by certificate for a host or location"
    seen = set()
    for i, text in enumerate(table.exempt, 1):
        try:
            network = parse_network(text)
        except ValueError as error:
            yield key_path("exempt", i), f"{error}, not {show(text)}"
        else:
            if network in seen:
                yield key_path("exempt", i), f"{network} is listed twice"
            seen.add(network)


def make_budget(rate: str | RateTable | None) -> Budget | None:
    """That of the whole daemon; None where there is none, or `judge_rate` has something to say."""
    return _make(rate, _EVERYWHERE)


def find_budgets(host: Host, location: Location) -> tuple[Budget, ...]:
    """Those that a request for this location of this host spends, from the host's to its own."""
    rated = [(other.place, other) for other in host.locations if other.rate is not None]
    above = [*list_above(location.place, rated), location]
    rates = [("", host.rate)]
    rates += [("/" + "/".join(each.names) + _MARKS[each.match], each.rate) for each in above]
    budgets: list[Budget] = []
    for path, rate in rates:
        budget = _make(rate, f"//{host.name}{path}")
        if rate == NONE:
            budgets.clear()
        elif budget is not None:
            budgets.append(budget)
    return tuple(budgets)


def _make(rate: str | RateTable | None, place: str) -> Budget | None:
    if rate is None or rate == NONE or any(judge_rate(rate)):
        return None
    return _parse(RateTable(limit=rate) if isinstance(rate, str) else rate, place)


def _parse(table: RateTable, place: str) -> Budget:
    """Raises ValueError for a rate of another form, or one that nobody can mean."""
    rate = parse_rate(table.limit)
    if not rate.count:
        raise ValueError('a rate of 0 would refuse everybody: expected one such as "120/1m"')
    burst = table.burst if table.burst is not None else rate.count
    if rate.seconds / rate.count * max(burst, rate.count) > _LONGEST:
        with_burst = f" with its burst of {burst}" if burst > rate.count else ""
        raise ValueError(f"a budget{with_burst} has to be whole again within a year")
    return Budget(place, rate.count, rate.seconds, burst, table.by, table.exempt)
