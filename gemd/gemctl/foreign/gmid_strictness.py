"""What holds in a location of gmid's where patterns that can't be told may match a part of it.

Rule: nobody sees more than before: of several values the strictest one holds for all of it, and where none is the
strictest, all is refused.
"""

import msgspec

from gemd.config.placement import Placement
from gemd.gemctl.foreign.gmid_rules import (
    Block,
    FastCGI,
    Option,
    Options,
    PlacedRule,
    find_effective,
    find_possible,
)


class Doubt(msgspec.Struct, frozen=True):
    """Why nothing but a refusal is safe, and the option that has made it so."""

    option: Option
    reason: str


def find_strictest(placement: Placement, rules: list[PlacedRule], options: Options) -> tuple[Options, Doubt | None]:
    """The options of a location, and what speaks against any of them."""
    found = find_effective(placement, rules, options)
    possible = {key: find_possible(key, placement, rules) for key in ("listing", "require", "block", "fastcgi")}
    for option in possible["listing"]:
        if not option.value:
            found["listing"] = option
    for option in possible["block"]:
        if keeps_out(option) and not ("block" in found and keeps_out(found["block"])):
            found["block"] = option
    doubt = _find_doubt(found, possible)
    if possible["require"]:
        found.setdefault("require", possible["require"][0])
    return found, doubt


def keeps_out(option: Option) -> bool:
    """Whether a `block` is an answer in the place of a page, and no redirect to another."""
    return isinstance(option.value, Block) and not 30 <= option.value.code <= 39


def is_application(option: Option) -> bool:
    """Whether a `fastcgi` names one, which has files in its place that are no pages."""
    return option.value is None or isinstance(option.value, FastCGI)


def _find_doubt(found: Options, possible: dict[str, list[Option]]) -> Doubt | None:
    if "block" in found and keeps_out(found["block"]):
        return None
    for option in possible["require"]:
        others = [each for each in (*possible["require"], *_list(found, "require")) if each.value != option.value]
        if others:
            return Doubt(option, "Others are let in around it, and which of both may see what can't be told: it is"
                                 " refused.")  # fmt: skip
    for option in possible["fastcgi"]:
        known = _list(found, "fastcgi")
        if is_application(option) and not (known and is_application(known[0])):
            return Doubt(option, "Files that belong to the application would be shown: they are refused.")
    return None


def _list(found: Options, key: str) -> list[Option]:
    return [found[key]] if key in found else []
