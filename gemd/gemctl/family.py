"""A metric, and how it is written: as OpenMetrics 1.0, or as the older text format of Prometheus (0.0.4).

Rule: both name the same samples, so that it is all one to a query which a collector has read.
"""

import enum
from collections.abc import Callable, Iterable, Mapping

import msgspec

from gemd.gemctl.status import Status

Samples = Iterable[tuple[str, Mapping[str, str], float]]  # what is behind the name, the labels, and the value


class TextFormat(enum.Enum):
    """What collectors read. The older one has no units and no end, and names a counter as its samples."""

    OPENMETRICS = "openmetrics"
    PROMETHEUS = "prometheus"


class Family(msgspec.Struct, frozen=True):
    """One of them; `name` is without the "_total" of a counter."""

    name: str
    kind: str
    text: str
    unit: str
    samples: Callable[[Status], Samples]

    def render(self, status: Status, text_format: TextFormat) -> Iterable[str]:
        """Its lines."""
        total = "_total" if self.kind == "counter" else ""
        is_older = text_format is TextFormat.PROMETHEUS
        name = self.name + total if is_older else self.name
        yield f"# TYPE {name} {self.kind}"
        if self.unit and not is_older:
            yield f"# UNIT {name} {self.unit}"
        yield f"# HELP {name} {self.text}"
        for suffix, labels, value in self.samples(status):
            listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
            yield f"{self.name}{suffix}{total}{{{listed}}} {value}" if listed else f"{self.name}{suffix}{total} {value}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
