"""Tables in Markdown, aligned so that they can be read as they are."""

from collections.abc import Sequence


def print_table(lines: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Lines of cells, the first of them the heading; the first `left` columns are text, the others are numbers."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rule = ["-" * width if i < left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    for line in [lines[0], rule, *lines[1:]]:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("| " + " | ".join(cells) + " |")
