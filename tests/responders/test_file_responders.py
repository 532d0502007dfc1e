"""Who answers for files in which location."""

from gemd.responders.described import DescribedFiles
from gemd.responders.router import Router
from gemd.responders.static import StaticFiles
from gemd.responders.trying import Trying

from .asking import request, settle
from .conftest import MIME_TABLE


def test_each_location_has_what_it_asks_for_alone(configure, capsule):
    locations = [
        {"path": "/dir", "try": ".gmi"},
        {"path": "/indexed", "meta-files": True},
        {"path": "/both", "meta-files": True, "try": ".gmi"},
    ]
    router = Router(configure(location=locations), MIME_TABLE, None)
    [[(plain, _)], [(trying, _)], [(described, _)], [(both, _)]] = [
        router._find(request(url)).responders for url in ("/", "/dir/", "/indexed/", "/both/")
    ]
    assert (type(plain), type(trying), type(described), type(both)) == (StaticFiles, Trying, DescribedFiles, Trying)
    assert trying.files is plain
    assert both.files is described
    assert plain._convert is None


def test_what_is_described_is_tried_and_converted(configure, capsule):
    lines = ("gone.md: 52 Gone", "page.md: text/markdown", "seite.md: ;lang=de", "old.md: 31 /new", "folder.md: 52")
    (capsule / ".meta").write_text("\n".join(lines))
    (capsule / "folder.md").mkdir()
    for name in ("gone.md", "page.md", "seite.md"):
        (capsule / name).write_text("text")
    keys = {"meta-files": True, "try": ".md", "convert": {".md": ["tr", "a-z", "A-Z"]}}
    router = Router(configure(**keys), MIME_TABLE, None)

    def ask(url):
        answer = settle(lambda: router.respond(request(url)))
        return answer.status, answer.meta, answer.body

    for _ in range(2):
        assert ask("/gone") == ask("/gone.md") == (52, "Gone", b"")
        assert ask("/page.md") == (20, "text/gemini", b"TEXT")
        assert ask("/seite") == ask("/seite.md") == (20, "text/gemini;lang=de", b"TEXT")
        assert ask("/old") == ask("/old.md") == (31, "/new", b"")
        assert ask("/folder")[0] == 51
