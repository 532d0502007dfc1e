"""Gemtext, written (gemtext specification 0.24.1).

Rule: no text given here can become a line of another kind, or a second line.
"""

from gemd.protocol.characters import replace_harmful


def heading(text: str, level: int = 1) -> str:
    """A heading line of level 1 to 3."""
    return f"{'#' * level} {replace_harmful(text)}\n"


def link(url: str, label: str = "") -> str:
    """A link line; `url` must be percent-encoded."""
    return f"=> {url} {replace_harmful(label)}".rstrip() + "\n"
