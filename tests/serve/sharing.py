"""One daemon for several stories: for those that only ask, and leave it as it was."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .conftest import AS_ROOT, Daemon


@contextlib.contextmanager
def shared_daemon(folder: Path, text: str, **options) -> Iterator[Daemon]:
    """Serve FOLDER/capsule by a configuration: TOML text, with {root} and {tmp} to fill in. Its stories end with this
    block, so that the error log is clean but for what any of them expected."""
    root = folder / "capsule"
    (root / "cgi-bin").mkdir(parents=True, exist_ok=True)
    (root / "index.gmi").write_text("# A capsule\n")
    conf = folder / "gemd.conf"
    conf.write_text(text.replace("{root}", str(root)).replace("{tmp}", str(folder)))
    daemon = Daemon(folder, ["-c", str(conf), "--host", "127.0.0.1", "--port", "0", *AS_ROOT], **options)
    try:
        yield daemon.wait_until_ready()
    finally:
        daemon.finish()
