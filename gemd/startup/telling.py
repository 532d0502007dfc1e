"""What `gemd -t` tells: a line for each finding on standard error, or all of them as JSON on standard output.

Rule: both say the same, with the same exit status; what is no finding, where applications run for one, is for people.
"""

import json
import sys
from collections.abc import Callable

from gemd.config import ConfigError, Problem
from gemd.config.keys import PREFIX
from gemd.config.mistake import Mistake
from gemd.config.origin import Origin
from gemd.config.origins import Origins, find_origin
from gemd.exit_codes import ExitCode
from gemd.protocol.characters import escape
from gemd.startup.failures import explain_failure
from gemd.system.output import print_whole

_SETTERS = (PREFIX, "--")  # what variables and flags begin with


class Teller:
    """Tells it as it comes, or keeps it for the end."""

    def __init__(self, find_origins: Callable[[], Origins | None], *, is_json: bool) -> None:
        """Where keys stand is asked for once there is something to tell."""
        self._find_origins = find_origins
        self._is_json = is_json
        self._findings: list[dict[str, object]] = []

    def warn(self, problem: Problem) -> None:
        """Something is worth a look."""
        origin = find_origin(problem, self._find_origins())
        if self._is_json:
            self._add("warning", origin, problem.text)
        else:
            print(f"gemd: warning: {escape(origin.say(problem.text))}", file=sys.stderr)

    def tell(self, line: str) -> None:
        """Something else that people may want to know."""
        if not self._is_json:
            print(f"gemd: {escape(line)}", file=sys.stderr)

    def fail(self, failure: Exception) -> ExitCode:
        """Something is wrong: one of FAILURES."""
        code, lines = explain_failure(failure)
        if isinstance(failure, ConfigError):
            for origin, text in failure.findings():
                self._add("error", origin, text)
        elif isinstance(failure, Mistake):
            self._add("error", failure.origin or Origin(failure.key or ""), failure.text)
        else:
            self._add("error", Origin(""), str(failure))
        for line in lines:
            self.tell(line)
        return code

    def give_up(self, text: str) -> bool:
        """Something came to nothing in time, and that was all; whether it has been told."""
        self._add("error", Origin(""), text)
        self.end()
        return self._is_json

    def end(self) -> None:
        """That was all."""
        if self._is_json:
            reason = print_whole(json.dumps({"findings": self._findings}, indent=2) + "\n")
            if reason:
                print(f"gemd: {reason}", file=sys.stderr)

    def _add(self, severity: str, origin: Origin, message: str) -> None:
        is_file = not origin.source.startswith(_SETTERS)
        found = {
            "file": origin.source if is_file else "",
            "line": origin.line,
            "set_by": "" if is_file else origin.source,
            "host": origin.host,
            "location": origin.location,
            "key": origin.key,
        }
        known = {name: value or None for name, value in found.items()}
        self._findings.append({"severity": severity, **known, "message": message})
