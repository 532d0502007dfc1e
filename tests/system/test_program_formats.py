"""What is registered with binfmt_misc, as its files there say."""

import pytest

from gemd.system.program_formats import is_known_format

MAGIC = "enabled\ninterpreter /usr/bin/python3\nflags: \noffset 0\nmagic cb0d0d0a\n"
MASKED = "enabled\ninterpreter /usr/bin/qemu\nflags: OCF\noffset 1\nmagic 414243\nmask ff00ff\n"
EXTENSION = "enabled\ninterpreter /usr/bin/java\nflags: \nextension .jar\n"


@pytest.mark.parametrize(
    ("said", "path", "start", "is_known"),
    [
        (MAGIC, "/x", b"\xcb\r\r\n....", True),
        (MAGIC, "/x", b"\xcb\r\r", False),
        (MAGIC, "/x", b"#!/bin/sh\n", False),
        (MAGIC.replace("enabled", "disabled"), "/x", b"\xcb\r\r\n", False),
        (MASKED, "/x", b"-AxC", True),
        (MASKED, "/x", b"-AxD", False),
        (EXTENSION, "/x.jar", b"PK", True),
        (EXTENSION, "/x.zip", b"PK", False),
        ("enabled\n", "/x", b"", False),
        ("enabled\noffset 0\nmagic zz\n", "/x", b"", False),
    ],
)
def test_what_is_known(tmp_path, said, path, start, is_known):
    (tmp_path / "one").write_text(said)
    (tmp_path / "status").write_text("enabled\n")
    assert is_known_format(path, start, str(tmp_path)) is is_known


def test_where_nothing_is_registered(tmp_path):
    assert not is_known_format("/x", b"x", str(tmp_path / "none"))
    (tmp_path / "directory").mkdir()
    assert not is_known_format("/x", b"x", str(tmp_path))
