"""What holds in a location of a server of gmid's, by gemd's keys.

Rule: all of it is found, so that whoever writes it can leave out what holds anyway.
"""

import os

import msgspec

from gemd.config.placement import Placement
from gemd.config.script_places import has_wildcard
from gemd.gemctl.foreign.gmid_answers import REFUSAL, Names, make_answer
from gemd.gemctl.foreign.gmid_rules import Block, FastCGI, Option, Options, PlacedRule
from gemd.gemctl.foreign.gmid_strictness import find_strictest
from gemd.gemctl.foreign.languages import judge_language
from gemd.gemctl.foreign.outline import Table
from gemd.protocol.mime import is_media_type
from gemd.protocol.url import split_path

HOST = Placement(())
Settings = dict[str, object]


class Machine(msgspec.Struct, frozen=True):
    """What all servers have: the directory that paths are in, what a text may name, media types by extension."""

    chroot: str
    names: Names
    types: dict[str, str]

    def join(self, path: str) -> str:
        """The path as it is outside of the chroot."""
        return os.path.normpath(f"{self.chroot}/{path}") if self.chroot else path


class Describer:
    """Knows the rules of a server, and its own options."""

    def __init__(self, rules: list[PlacedRule], options: Options, machine: Machine) -> None:
        self.rules, self.options, self.machine = rules, options, machine
        self.directories = {rule.placement for rule in rules if rule.statement.values[0].endswith("/")}
        self._said: set[tuple[str, int, str]] = set()

    def describe(self, table: Table, placement: Placement) -> Settings:
        """What holds in a location, by gemd's keys; None for what has none. `table` is for remarks."""
        options, doubt = find_strictest(placement, self.rules, self.options)
        value = {key: option.value for key, option in options.items()}
        found: dict[str, object] = {
            "index": [value.get("index", "index.gmi")],
            "listing": value.get("listing", False),
            "lang": self._find_language(table, options),
            "mime": self._find_types(table, options) or None,
            "log": value.get("log", True),
            "client-certificate": {"ca": value["require"]} if "require" in value else "none",
            "answer": None,
            "redirect": None,
            "fastcgi": None,
            "root": self._find_root(table, placement, options),
        }
        if doubt is not None:
            found["answer"] = REFUSAL
            self._remark(table, doubt.option, doubt.reason)
        elif isinstance(block := value.get("block"), Block):
            self._set_answer(found, table, placement, options, block)
        elif isinstance(application := value.get("fastcgi"), FastCGI) and application.to:
            found["fastcgi"] = self._write_application(application)
        elif "fastcgi" in options and value["fastcgi"] is None:
            text = "gemd starts no such program: start it, and name its socket. Until then all of this is refused."
            self._remark(table, options["fastcgi"], text)
            found["answer"] = REFUSAL
        return found

    def _remark(self, table: Table, option: Option, text: str) -> None:
        """Say something of an option, once."""
        spot = option.statement.spot
        if (spot.file, spot.line, text) not in self._said:
            self._said.add((spot.file, spot.line, text))
            table.remark(spot, option.statement.line, text)

    def _find_language(self, table: Table, options: Options) -> str | None:
        if not (option := options.get("lang")) or not option.value:
            return None
        language, reason = judge_language(str(option.value))
        if reason:
            self._remark(table, option, reason)
        return language

    def _find_types(self, table: Table, options: Options) -> dict[str, str]:
        found = {}
        for extension, media_type in self.machine.types.items():
            written = f".{extension.lower().removeprefix('.')}"
            if "." not in written[1:] and is_media_type(media_type):
                found[written] = media_type
        if "default" in options:
            if is_media_type(str(options["default"].value)):
                found["*"] = str(options["default"].value)
            else:
                self._remark(table, options["default"], "This is no media type.")
        return found

    def _find_root(self, table: Table, placement: Placement, options: Options) -> str | None:
        if "root" not in options:
            return None
        root = self.machine.join(str(options["root"].value))
        strip = int(str(options["strip"].value)) if "strip" in options else 0
        names = placement.names
        is_server = options["root"] is self.options.get("root") and strip == 0
        if is_server:
            return root if placement == HOST else os.path.join(root, *names)
        rest = names[strip:]
        if strip > len(names):
            if "block" not in options:
                self._remark(table, options["strip"], "No more names can be taken off than the location's path has.")
            return None
        is_file = placement.match == "exact" and bool(rest) and placement not in self.directories
        if is_file or (placement.is_glob and any(map(has_wildcard, rest))):
            self._remark(table, options["root"], "A root is for a directory, and this is for a file or for several.")
            return None
        return os.path.join(root, *rest)

    def _set_answer(
        self, found: dict[str, object], table: Table, placement: Placement, options: Options, block: Block
    ) -> None:
        strip = int(str(options["strip"].value)) if "strip" in options else 0
        blocked = make_answer(block.code, block.meta, strip, placement, self.machine.names)
        found[blocked.key] = blocked.value
        if blocked.remark:
            self._remark(table, options["block"], blocked.remark)

    def _write_application(self, application: FastCGI) -> dict[str, object]:
        """The table `fastcgi`. gmid's SCRIPT_NAME is empty, but for what a parameter says."""
        to, params, strip = application.to, dict(application.params), application.strip
        if to.startswith("unix:"):
            to = f"unix:{self.machine.join(to.removeprefix('unix:'))}"
        name = params.pop("SCRIPT_NAME", "")
        if strip:
            params = {"SCRIPT_NAME": name, **params}
        elif name:
            strip = len(split_path(name))
        found: dict[str, object] = {"to": to, "strip": strip, "dialect": "gmid"}
        return found | ({"params": params} if params else {})
