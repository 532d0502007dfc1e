"""The sample capsule, read by a client that is not ours."""

from pathlib import Path

import cryptography.hazmat.primitives.serialization  # noqa: F401, which ignition uses without importing it
import ignition
import pytest

from .conftest import Daemon

CONFIGURATION = Path(__file__).parents[2] / "etc" / "capsule.conf"  # what `make run` serves


@pytest.fixture
def sample(start) -> Daemon:
    return start("-c", CONFIGURATION, "--port", "0").wait_until_ready()


def links(text: str) -> list[str]:
    outside = "\n".join(text.split("\n```")[::2])  # every second part is preformatted
    return [line.split()[1] for line in outside.splitlines() if line.startswith("=>") and len(line.split()) > 1]


# The client uses what its own libraries have deprecated, and leaves closing to the collector.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Properties that return", "ignore:unclosed")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_every_page_of_the_sample_capsule_can_be_read(sample, tmp_path):
    ignition.set_default_hosts_file(str(tmp_path / "known_hosts"))
    waiting, seen = [sample.url("/")], set()
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        response = ignition.request(url)
        assert response.success() or response.status[0] in "1236", f"{url}: {response.status} {response.meta}"
        if response.success() and response.meta.startswith("text/gemini"):
            for link in links(response.data()):
                target = ignition.url(link, url)
                if target.startswith(sample.url("/")):
                    waiting.append(target)
    paths = {"/notebook/", "/cgi-bin/hello.sh", "/guides/applications.gmi", "/samples/logo.png"}
    assert {sample.url(path) for path in paths} <= seen
