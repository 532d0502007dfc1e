"""Wrong configurations, from files in which each line that is wrong is followed by what is said of it."""

from collections.abc import Iterator
from pathlib import Path

DIRECTORY = Path(__file__).with_name("wrong_configurations")
_CASE, _SAID = "#--- ", "#> "


def read_cases() -> Iterator[tuple[str, str, list[str]]]:
    """What is wrong, the text without what is said of it, and what is, each with the number of its line; what is said
    before the first line is about the whole."""
    for path in sorted(DIRECTORY.glob("*.toml")):
        for case in path.read_text().split(_CASE)[1:]:
            name, _, body = case.partition("\n")
            lines: list[str] = []
            said = []
            for line in body.splitlines():
                if line.startswith(_SAID):
                    said.append((f":{len(lines)}" if lines else "") + f": {line.removeprefix(_SAID)}")
                else:
                    lines.append(line)
            yield f"{path.stem}: {name}", "\n".join(lines) + "\n", said
