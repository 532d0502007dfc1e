"""The capsule that comes with gemd, as `make run` serves it."""

import re
from pathlib import Path
from urllib.parse import urljoin

PROJECT = Path(__file__).parents[2]
LINK = re.compile(r"^=>\s*(\S+)", re.M)


def test_every_link_leads_somewhere(start):
    daemon = start("-c", PROJECT / "etc" / "capsule.conf", "--port", "0").wait_until_ready()
    waiting, seen = ["/"], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = daemon.ask(path)
        assert answer.complete
        assert answer.status in (10, 20, 60), f"{path}: {answer.header}"
        if answer.status == 20 and answer.meta.startswith("text/gemini"):
            links = (urljoin("https://localhost" + path, link) for link in LINK.findall(_without_samples(answer.text)))
            waiting += [
                link.removeprefix("https://localhost") for link in links if link.startswith("https://localhost/")
            ]
    assert {"/notebook/", "/cgi-bin/hello.sh", "/guides/applications.gmi", "/samples/logo.png"} <= seen


def _without_samples(text):
    """Gemtext without its preformatted parts."""
    return "".join(part for i, part in enumerate(re.split(r"^```.*\n", text, flags=re.M)) if i % 2 == 0)
