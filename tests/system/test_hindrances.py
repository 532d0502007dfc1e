"""What is said of a path that can't be used, on which something is in the way."""

import errno
import os
import pwd

import pytest

from gemd.system.hindrances import explain_unusable
from tests.conftest import need_user

ME = pwd.getpwuid(os.geteuid()).pw_name


def explain(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        return explain_unusable(path, error).replace(str(path.parent), "DIR")
    raise AssertionError(path)


def test_what_is_not_there(tmp_path):
    assert explain(tmp_path / "none") == "No such file or directory"
    assert explain_unusable(tmp_path / "a/b/c", OSError(errno.ENOENT, "No")) == f"No; there is no {tmp_path}/a"


@pytest.mark.parametrize("name", ["~", "~ada", "$HOME", "${HOME}", "a$b"])
def test_what_a_shell_would_have_replaced(tmp_path, name):
    text = explain_unusable(tmp_path / name / "capsule", OSError(errno.ENOENT, "No"))
    assert text == f"No; {name} stands for itself: write the whole path"


def test_a_link_that_leads_nowhere(tmp_path):
    (tmp_path / "link").symlink_to("gone")
    assert explain(tmp_path / "link") == "No such file or directory; DIR/link is a link to gone"


def test_a_file_on_the_way(tmp_path):
    (tmp_path / "file").touch()
    text = explain_unusable(tmp_path / "file/a", OSError(errno.ENOTDIR, "Not a directory"))
    assert text == f"Not a directory; {tmp_path}/file is none"
    assert explain_unusable(tmp_path / "file", OSError(errno.ENOTDIR, "Not a directory")) == "Not a directory"


@need_user
def test_who_may_not(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o600)
    (tmp_path / "key").touch(mode=0o200)
    (tmp_path / "own").mkdir(mode=0o500)
    why = f"it belongs to {ME}, and its mode is"
    assert explain(tmp_path / "key") == f"Permission denied; {ME} may not use it: {why} 0200"
    refused = OSError(errno.EACCES, "No")
    assert explain_unusable(tmp_path / "shut/a/b", refused) == f"No; {ME} may not enter {tmp_path}/shut: {why} 0600"
    assert explain_unusable(tmp_path / "own/log", refused) == f"No; {ME} may not write in {tmp_path}/own: {why} 0500"


def test_any_other_error_says_all(tmp_path):
    assert explain_unusable(tmp_path, OSError(errno.EIO, "Input/output error")) == "Input/output error"
    assert explain_unusable(tmp_path, OSError("strange")) == "strange"
