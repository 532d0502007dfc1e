"""The servers that people come from to gemd: what each has by default, and how gemd calls it.

Rule: a name in braces is the host's; what is relative is looked for in the new directory and in the current one.
"""

import msgspec


class FormerServer(msgspec.Struct, frozen=True):
    """One of them. `roots` are where its pages may be, `certificates` where a certificate and its key may be, in the
    order in which they are looked for; `is_passing` says that they are copied: Agate's key may be for its user alone,
    and nothing lasts in /tmp. `settings` of the host make gemd like it, `called` are its words with the keys for
    them."""

    title: str
    roots: tuple[str, ...] = ()
    certificates: tuple[tuple[str, str], ...] = ()
    is_passing: bool = False
    settings: tuple[tuple[str, object], ...] = ()
    called: tuple[tuple[str, str], ...] = ()


NONE = "none"
IMPORTED = ("gmid", "jetforce", "molly-brown", "agate")  # whose configurations are made into gemd's

FORMER_SERVERS = {
    "agate": FormerServer(
        "Agate",
        roots=("content/{name}", "content"),
        certificates=(
            (".certificates/{name}/cert.der", ".certificates/{name}/key.der"),
            (".certificates/cert.der", ".certificates/key.der"),
        ),
        is_passing=True,
        settings=(("listing", False), ("meta-files", True)),
        called=(
            ("--content", "root"),
            ("--addr", "listen"),
            ("--hostname", "name, aliases, or a [[host]] for each"),
            ("--certs", "certificate and key, or tls.certificates"),
            ("--lang", "lang"),
            ("--serve-secret", "dot-files"),
            ("--log-ip", "log.addresses"),
            (".directory-listing-ok", "listing"),
            (".meta", "meta-files"),
        ),
    ),
    "jetforce": FormerServer(
        "Jetforce",
        roots=("/var/gemini",),
        certificates=(("/tmp/{name}.crt", "/tmp/{name}.key"),),  # noqa: S108, where Jetforce makes them
        is_passing=True,
        settings=(("cgi-dialect", "jetforce"),),
        called=(
            ("--dir", "root"),
            ("--host, --port", "listen"),
            ("--hostname", "name, aliases"),
            ("--tls-certfile, --tls-keyfile", "certificate, key"),
            ("--tls-cafile, --tls-capath", "tls.ca-file, tls.ca-path"),
            ("--cgi-dir", "cgi"),
            ("--index-file", "index"),
            ("--default-lang", "lang"),
            ("--rate-limit", "limits.rate"),
            ("an application in Python", "app, app-path"),
        ),
    ),
    "molly-brown": FormerServer(
        "Molly Brown",
        roots=("/var/gemini",),
        certificates=(("cert.pem", "key.pem"), ("/etc/molly-brown/cert.pem", "/etc/molly-brown/key.pem")),
        settings=(("cgi-dialect", "molly-brown"),),
        called=(
            ("DocBase", "root"),
            ("Hostname", "name"),
            ("Port", "listen"),
            ("CertPath, KeyPath", "certificate, key"),
            ("CGIPaths", "cgi"),
            ("SCGIPaths", "scgi of a [[host.location]]"),
            ("TempRedirects, PermRedirects", "redirect of a [[host.location]]"),
            ("CertificateZones", "client-certificate of a [[host.location]]"),
            ("DefaultLang, DefaultEncoding", "lang, charset"),
            ("MimeOverrides", "mime"),
            ("DirectorySort, DirectoryReverse, DirectoryTitles", "listing = { sort, reverse, titles }"),
            ("HomeDocBase", "user-directories, or directories below root"),
            ("AccessLog, ErrorLog", "log.access, log.error"),
        ),
    ),
    "gmid": FormerServer(
        "gmid",
        roots=("/var/gemini/{name}", "/var/gemini"),
        certificates=(
            ("/etc/ssl/{name}.pem", "/etc/ssl/private/{name}.key"),
            ("~/.local/share/gmid/{name}.pem", "~/.local/share/gmid/{name}.key"),
        ),
        settings=(("listing", False), ("cgi-dialect", "gmid")),
        called=(
            ("server, alias", "[[host]], aliases"),
            ("listen on", "listen"),
            ("root", "root"),
            ("cert, key", "certificate, key"),
            ("location, strip", "[[host.location]], with a root of its own"),
            ("index, auto index", "index, listing"),
            ("lang, types", "lang, mime"),
            ("block return", "redirect, answer, gone"),
            ("fastcgi", "fastcgi of a [[host.location]]"),
            ("proxy relay-to", "proxy, or pass of a [[host]]"),
            ("require client ca", "client-certificate = { ca = ... }"),
            ("user, chroot", "user, chroot"),
            ("log", "log"),
        ),
    ),
    "gmcapsule": FormerServer(
        "GmCapsule",
        roots=("/var/gemini/{name}", "{name}"),
        certificates=(
            ("~/.certs/{name}/cert.pem", "~/.certs/{name}/key.pem"),
            ("~/.certs/cert.pem", "~/.certs/key.pem"),
            (".certs/{name}/cert.pem", ".certs/{name}/key.pem"),
            (".certs/cert.pem", ".certs/key.pem"),
        ),
        settings=(("cgi-dialect", "gmcapsule"),),
        called=(
            ("host", "name, or a [[host]] for each"),
            ("address, port", "listen"),
            ("certs", "certificate, key"),
            ("[static] root", "root, with the directory that has the host's name"),
            ("[cgi] bin_root", "cgi"),
            ("[cgi.*] command", "script of a [[host.location]]"),
            ("[titan]", "titan of a [[host.location]]"),
            ("[rewrite.*]", "redirect of a [[host.location]]"),
            (".meta", "meta-files, each for its directory alone"),
            ("modules", "app"),
        ),
    ),
    NONE: FormerServer("no other server"),
}
