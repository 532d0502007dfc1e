"""Molly Brown's configuration, which is TOML too, with regular expressions for paths.

Rule: what it has without a word is written down, such as listings with a preamble.
"""

import os
from collections.abc import Callable

from gemd.gemctl.foreign.expressions import Hole, parse_expression
from gemd.gemctl.foreign.languages import judge_language
from gemd.gemctl.foreign.molly_file import MollyBrown
from gemd.gemctl.foreign.molly_places import add_places
from gemd.gemctl.foreign.original import mistake
from gemd.gemctl.foreign.outline import HostOutline, Outline, Table
from gemd.protocol.host import normalise_name
from gemd.protocol.mime import is_media_type

_FACTS = (
    "A file that not everybody on the machine may read is served as well, if gemd's user may.",
    "Listings have directories first; a file below a directory of scripts that is not executable is 42.",
    "The access log has a format of its own, without what was typed: log.format, log.queries.",
)


def import_molly_brown(text: str, file: str) -> Outline:
    """The outline. Raises Failure."""
    molly = MollyBrown(text, file)
    outline = Outline("Molly Brown", file, _FACTS)
    for name in molly.unknown:
        molly.remark(outline.top, "Molly Brown has no such key.", name)
    outline.top.set("listen", [f"*:{molly.values['Port']}"])
    if not molly.values["AllowTLS12"]:
        outline.table("tls").set("minimum-version", "1.3")
    if molly.values["RateLimitEnable"]:
        _set_rate(outline.table("limits"), molly)
    _set_logs(outline.table("log"), molly)
    host = outline.add_host()
    _set_host(host.table, molly)
    _set_types(host.table, molly)
    _set_listing(host.table, molly)
    _set_scripts(host.table, molly)
    add_places(host, molly)
    if molly.values["ReadMollyFiles"]:
        text = "Files .molly are not read: what they say of languages and redirects belongs here, in locations."
        if not os.path.isdir(molly.text("DocBase")):
            text += (
                " DocBase is not here: a directory that CertificateZones in such a file protect is open until it has a"
                " location with client-certificate, or until this is imported where it is."
            )
        molly.remark(host.table, text, "ReadMollyFiles")
    _remark_relative(outline, host, molly)
    return outline


def _set_rate(table: Table, molly: MollyBrown) -> None:
    average, soft = (max(1, int(str(molly.values[name]))) for name in ("RateLimitAverage", "RateLimitSoft"))
    table.set("rate", {"limit": f"{average}/1s", "burst": soft})
    text = "Clients beyond the hard limit were shut out for hours. Here they get 44 as long as they are too fast."
    molly.remark(table, text, "RateLimitHard" if molly.is_given("RateLimitHard") else "RateLimitEnable")


def _set_logs(table: Table, molly: MollyBrown) -> None:
    words = {"": "off", "-": "stdout"}
    table.set("access", words.get(molly.text("AccessLog"), molly.text("AccessLog")))
    table.set("error", molly.text("ErrorLog") or "stderr")


def _set_host(table: Table, molly: MollyBrown) -> None:
    try:
        normalise_name(molly.text("Hostname"))
    except ValueError as error:
        raise mistake(molly.place("Hostname"), f"Hostname: {error}") from None
    table.set("name", molly.text("Hostname").lower())
    table.set("certificate", molly.text("CertPath"))
    table.set("key", molly.text("KeyPath"))
    table.set("root", os.path.normpath(molly.text("DocBase") or "."))
    extension = molly.text("GeminiExt").strip(".")
    table.set("index", [f"index.{extension}"])
    if molly.text("DefaultLang"):
        language, reason = judge_language(molly.text("DefaultLang"))
        if language is not None:
            table.set("lang", language)
        if reason:
            molly.remark(table, reason, "DefaultLang")
    if molly.text("DefaultEncoding"):
        table.set("charset", molly.text("DefaultEncoding"))
        text = "Molly Brown gives it to gemtext alone, gemd to all text, unless mime gives a type its own."
        molly.remark(table, text, "DefaultEncoding")


def _set_types(table: Table, molly: MollyBrown) -> None:
    types = {}
    extension = molly.text("GeminiExt").strip(".").lower()
    if extension not in ("gmi", "gemini"):
        types[f".{extension.rpartition('.')[2]}"] = "text/gemini"
    for text, media_type in molly.table("MimeOverrides").items():
        found = _find_extension(text)
        if not is_media_type(str(media_type)):
            molly.remark(table, "This is no media type.", "MimeOverrides", text)
        elif found is None:
            reason = (
                "A type is for an extension here. For single files, set meta-files = true and name them in a file .meta"
                f" of their directory, as in NAME: {media_type}"
            )
            molly.remark(table, reason, "MimeOverrides", text)
        else:
            types[found] = str(media_type)
    if types:
        table.set("mime", types)


def _find_extension(text: str) -> str | None:
    r"""The extension that an expression is for, such as "\.xml$", if it is for all files with it and no others."""
    try:
        expression = parse_expression(text)
    except ValueError:
        return None
    parts = ["." if isinstance(part, Hole) and part.is_one else part for part in expression.parts]
    if parts and isinstance(parts[0], Hole) and parts[0].is_any:
        parts = parts[1:]
    elif expression.is_begun:
        return None
    if not expression.is_ended or any(isinstance(part, Hole) for part in parts):
        return None
    extension = "".join(str(part) for part in parts)
    return extension if extension[:1] == "." and extension[1:].isalnum() and extension.islower() else None


def _set_listing(table: Table, molly: MollyBrown) -> None:
    if not molly.values["DirectoryListing"]:
        table.set("listing", False)
        return
    sort = molly.text("DirectorySort")
    if sort not in ("Name", "Size", "Time"):
        raise mistake(molly.place("DirectorySort"), 'DirectorySort: expected "Name", "Size" or "Time"')
    listing: dict[str, object] = {"preamble": ".mollyhead"}
    if sort != "Name":
        listing["sort"] = sort.lower()
    for name, key in (("DirectoryReverse", "reverse"), ("DirectoryTitles", "titles")):
        if molly.values[name]:
            listing[key] = True
    table.set("listing", listing)
    if molly.is_given("DirectorySubdirsFirst") and not molly.values["DirectorySubdirsFirst"]:
        molly.remark(table, "Listings have directories first.", "DirectorySubdirsFirst")


def _set_scripts(table: Table, molly: MollyBrown) -> None:
    paths = molly.values["CGIPaths"]
    assert isinstance(paths, list)
    root = str(table.get("root"))
    found = []
    for path in paths:
        relative = os.path.relpath(os.path.join(root, path), root)
        if relative.startswith("..") or "[" in relative or "\\" in relative:
            molly.remark_entry(table, "This is not below the root, or has other signs than * and ?.", "CGIPaths", path)
        elif not any(each in relative for each in "*?") and os.path.isdir(root) and not _exists(root, relative):
            molly.remark_entry(table, "This is not there: add it to cgi when it is.", "CGIPaths", path)
        else:
            found.append(relative)
    table.set("cgi-dialect", "molly-brown")
    if found:
        table.set("cgi", found)


def _exists(root: str, relative: str) -> bool:
    return os.path.exists(os.path.join(root, relative))


def _remark_relative(outline: Outline, host: HostOutline, molly: MollyBrown) -> None:
    is_relative: Callable[[str], bool] = lambda name: not molly.text(name).startswith("/")  # noqa: E731
    names = [name for name in ("CertPath", "KeyPath", "DocBase") if is_relative(name)]
    names += [name for name in ("AccessLog", "ErrorLog") if molly.text(name) not in ("", "-") and is_relative(name)]
    for name in names:
        reason = (
            "Molly Brown takes a relative path from the directory that it is started in, gemd from that of gemd.conf:"
            " complete it."
        )
        table = outline.table("log") if name.endswith("Log") else host.table
        line = molly.line(name) if molly.is_given(name) else f"{name} = {molly.text(name)} (by default)"
        table.remark(molly.place(name), line, reason)
