"""The settings of converters: programs that make the page that is sent of a file with some extension.

Rule: an extension counts as file systems may take it that fold case, so that no spelling of a name leads to the file as
it is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from gemd.config.script_places import fold_name
from gemd.config.tables import show
from gemd.config.types import Settings, Text
from gemd.protocol.mime import GEMTEXT, is_media_type

Command = Annotated[
    tuple[str, ...], Meta(min_length=1, description='a program with its arguments, as in ["md2gemini", "-f"]')
]


class Converter(Settings, frozen=True, forbid_unknown_fields=True):
    """An entry of `convert` in full: the program with its arguments, and the media type of what it writes."""

    command: Command
    type: Text = GEMTEXT


CONVERT_KEY = "convert"
ConverterTable = dict[str, Command | Converter]  # by extension, with its dot


def find_extension(name: str) -> str:
    """The extension of a file's name, with its dot; nothing where it has none."""
    folded = fold_name(name)
    dot = folded.rfind(".")
    return folded[dot:] if dot > 0 else ""


def complete(entry: Command | Converter) -> Converter:
    """An entry in full."""
    return entry if isinstance(entry, Converter) else Converter(command=entry)


def move_programs(converters: ConverterTable, move: Callable[[str], str]) -> dict[str, Command | Converter]:
    """All of them in full, by extensions in lower case, with each path of a program as `move` has it."""
    moved: dict[str, Command | Converter] = {}
    for extension, entry in converters.items():
        converter = complete(entry)
        program, *arguments = converter.command
        if "/" in program:
            converter = msgspec.structs.replace(converter, command=(move(program), *arguments))
        moved[extension.lower()] = converter
    return moved


def list_programs(converters: ConverterTable) -> list[str]:
    """The programs, each by its name or path."""
    return [complete(entry).command[0] for entry in converters.values()]


def judge_converters(converters: Mapping[str, Command | Converter]) -> Iterator[str]:
    """What is wrong with them."""
    seen: set[str] = set()
    for extension, entry in converters.items():
        converter = complete(entry)
        if not extension.startswith(".") or "/" in extension or find_extension("a" + extension) != extension.lower():
            yield f'expected the extension of a file\'s name, such as ".md", not {show(extension)}'
        if extension.lower() in seen:
            yield f"{show(extension)} is listed twice, upper case and lower case being one"
        seen.add(extension.lower())
        if " " in converter.command[0] and "/" not in converter.command[0]:
            yield f'{show(extension)}: each argument is a text of its own, as in ["md2gemini", "-f"]'
        if not converter.command[0] or any("\0" in argument for argument in converter.command):
            yield f"{show(extension)} needs the name or path of a program, and arguments without NUL"
        if not is_media_type(converter.type):
            yield f'expected a media type for {show(extension)} such as "text/gemini", not {show(converter.type)}'


def judge_extensions(extensions: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with those that are tried."""
    for extension in extensions:
        if "," in extension:
            yield f'several extensions are a list, as in [".gmi", ".md"], not {show(extension)}'
        if not extension.startswith(".") or extension.strip(".") == "" or "/" in extension or "\0" in extension:
            yield f'expected an extension such as ".gmi", or a list of them, not {show(extension)}'
