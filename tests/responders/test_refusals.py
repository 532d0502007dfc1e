import errno
import os

import pytest

from gemd.config.host_settings import Location
from gemd.protocol.errors import GeminiError
from gemd.responders.refusals import NOT_FOUND, explain_error, open_root_of

FAULTS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.ESTALE]


@pytest.mark.parametrize("number", FAULTS, ids=errno.errorcode.get)
def test_what_is_not_the_clients_fault_is_temporary_and_logged(number, caplog):
    assert explain_error(OSError(number, os.strerror(number)), "/a\nb").status == 40
    assert caplog.messages == [f"'/a\\nb' can't be opened: {os.strerror(number)}"]


@pytest.mark.parametrize("number", NOT_FOUND, ids=errno.errorcode.get)
def test_of_anything_else_a_client_learns_that_there_is_nothing(number, caplog):
    assert explain_error(OSError(number, os.strerror(number)), "/a").status == 51
    assert not caplog.messages


def test_a_root(tmp_path, caplog):
    os.close(open_root_of(Location(root=str(tmp_path))))
    for gone in ("nothing", "file"):
        (tmp_path / "file").touch()
        with pytest.raises(GeminiError) as caught:
            open_root_of(Location(root=str(tmp_path / gone)))
        assert caught.value.status == 40
        assert f"the root {tmp_path}/{gone} can't be opened" in caplog.text
