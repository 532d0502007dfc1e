"""A reverse proxy of gmid's, for all of a server, as a gateway.

Rule: gmid asks the first proxy that matches, before any location and whatever protects that.
"""

from fnmatch import fnmatchcase

from gemd.gemctl.foreign.gmid_forms import Directive
from gemd.gemctl.foreign.original import find_port
from gemd.gemctl.foreign.outline import HostOutline, Table
from gemd.protocol.host import is_address, is_host_name, place


def set_proxy(host: HostOutline, server: Directive) -> bool:
    """Have the host's requests passed on, if they are; whether nothing else can answer then."""
    table, is_set = host.table, False
    for statement in server.inner:
        if statement.keyword != "proxy":
            continue
        text = _find_fault(statement, str(table.get("name")))
        if is_set:
            text = "The proxy before it takes everything."
        if text:
            _remark_all(table, statement, text)
            continue
        _write_proxy(table, statement)
        is_set = True
    if is_set:
        for statement in server.inner:
            if statement.keyword == "location":
                _remark_all(table, statement, "The proxy answers before any location, in gmid and here.")
    return is_set


def _find_fault(statement: Directive, name: str) -> str:
    """Why it is no gateway for the host."""
    if statement.form.startswith("proxy for-host"):
        hosts, port, scheme = statement.values
    else:
        scheme, hosts, port = statement.values
    if scheme and not fnmatchcase("gemini", scheme):
        return "URLs of other schemes are passed on by no gateway: an application takes them, by schemes and hosts."
    if hosts and not fnmatchcase(name, hosts):
        return "URLs of hosts that are not served are passed on by no gateway: an application takes them, by hosts."
    if port and hosts != "*":
        return "A gateway is for a location, and not for the port that a URL names."
    if not any(each.keyword == "relay-to" for each in statement.inner):
        return "It has no relay-to, without which gmid does not start."
    return ""


def _write_proxy(table: Table, statement: Directive) -> None:
    given = {each.keyword: each for each in statement.inner}
    to = given["relay-to"]
    host, port = to.values[0], to.value(1) or "1965"
    if not to.value(1) and host.count(":") == 1:  # the spelling of 1.x
        host, _, port = host.partition(":")
    gateway: dict[str, object] = {"to": f"gemini://{place(host, find_port(to.spot, port))}"}
    sni = given["sni"].values[0] if "sni" in given else host
    if not is_address(sni) and is_host_name(sni.lower()):
        gateway["sni"] = sni.lower()
    for keyword, key in (("cert", "certificate"), ("key", "key")):
        if keyword in given:
            gateway[key] = given[keyword].values[0]
    if "proxy-v1" in given:
        gateway["send-proxy"] = "v1"
    if "require" in given:
        table.set("client-certificate", {"ca": given["require"].values[0]})
    table.set("proxy", gateway)
    if "use-tls" in given and given["use-tls"].values[0] == "off":
        text = "A Gemini server is asked by TLS alone: let it have TLS."
        table.remark(given["use-tls"].spot, given["use-tls"].line, text)
    if "protocols" in given:
        text = "The versions of TLS are those that both sides have, 1.2 at least."
        table.remark(given["protocols"].spot, given["protocols"].line, text)


def _remark_all(table: Table, statement: Directive, text: str) -> None:
    """Say something of a statement and of all in its block."""
    table.remark(statement.spot, statement.line, text)
    lines = {statement.spot.line}
    for each in statement.inner:
        if each.spot.line not in lines:
            table.remark(each.spot, each.line, "See above.")
            lines.add(each.spot.line)
