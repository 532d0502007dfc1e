"""HAProxy as Debian has it, alone or before two nodes."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gemd.system.certificates import find_or_make
from tests.conftest import need_root
from tests.test_documents import PROJECT, blocks

from .haproxy import HAProxy
from .nodes import Node
from .places import FRONT, NODE1, NODE2, NoNamespaces, Place, make_loopback, namespaces

DOCUMENT = PROJECT / "docs" / "SCALING.md"
PLACES = ("loopback", pytest.param("namespaces", marks=need_root))


@pytest.fixture
def folder():
    """With a path that is short enough for a unix socket's."""
    with tempfile.TemporaryDirectory(prefix="gemd-") as name:
        yield Path(name)


@pytest.fixture
def start_haproxy(need_program, folder):
    """Start HAProxy with a configuration, by way of the words of another command if any are given."""
    program = need_program("haproxy")
    running: list[HAProxy] = []

    def start(configuration: str, *before: str) -> HAProxy:
        running.append(HAProxy((*before, program), folder, configuration))
        running[-1].wait_until_ready()
        return running[-1]

    yield start
    for haproxy in running:
        haproxy.finish()


@pytest.fixture(params=PLACES)
def place(request, need_program) -> Iterator[Place]:
    """Where the machines are."""
    with contextlib.ExitStack() as stack:
        if request.param == "loopback":
            yield make_loopback()
            return
        try:
            place = stack.enter_context(namespaces(need_program("ip")))
        except NoNamespaces as reason:
            pytest.skip(f"no network namespaces to be had: {reason}")
        yield place


@dataclass
class Site:
    """Two nodes behind HAProxy, with the configurations of the document."""

    place: Place
    haproxy: HAProxy
    nodes: tuple[Node, Node]
    folder: Path


def write_root(root: Path, page: str) -> None:
    """With a page, one for members, and a script whose answer is spoilt by its exit code."""
    (root / "members").mkdir(parents=True)
    (root / "cgi-bin").mkdir()
    (root / "index.gmi").write_text(page)
    (root / "members" / "index.gmi").write_text("# Members\n")
    (root / "cgi-bin" / "half").write_text("#!/bin/sh\nprintf '20 text/plain\\r\\nthe first half'\nexit 1\n")
    (root / "cgi-bin" / "half").chmod(0o755)


@pytest.fixture
def start_site(place, folder, start_haproxy) -> Iterator[Callable[..., Site]]:
    """Start a site: which of the document's configurations, in their order, are HAProxy's and the nodes'."""
    write_root(folder / "gemini", "# A capsule\n")
    write_root(folder / "forum", "# A forum\n")
    (folder / "gemini" / "health.gmi").write_text("Well.\n")
    find_or_make(folder / "keys", ("example.org", "forum.example.org"))
    pair = (folder / "keys" / "example.org.crt").read_text() + (folder / "keys" / "example.org.key").read_text()
    (folder / "example.org.pem").write_text(pair)
    nodes: list[Node] = []

    def fill(text: str) -> str:
        paths = {"/etc/gemd": folder / "keys", "/etc/haproxy": folder, "/srv": folder}
        for there, here in paths.items():
            text = text.replace(f"{there}/", f"{here}/")
        return place.fill(text)

    def start(haproxy: int = 0, gemd: int = 0, extra: str = "") -> Site:
        text = blocks(DOCUMENT, "toml")[gemd] + extra
        assert NODE1 in text
        for machine in (NODE1, NODE2):
            own = fill(text.replace(NODE1, machine))
            nodes.append(Node(folder / f"node{len(nodes) + 1}", own, place.before(machine)))
            nodes[-1].start()
        return Site(
            place,
            start_haproxy(fill(blocks(DOCUMENT, "haproxy")[haproxy]), *place.before(FRONT)),
            (nodes[0], nodes[1]),
            folder,
        )

    yield start
    for node in nodes:
        node.finish()


@pytest.fixture
def site(start_site) -> Site:
    """The site of the document's first configurations, when both nodes are up."""
    site = start_site()
    for name in ("capsule/node1", "capsule/node2", "forum/node1"):
        site.haproxy.wait_until(name, "UP")
    return site
