import os
import shlex
import signal
import sys
import tempfile

import pytest

from gemd.gemctl.draft import Draft, find_editor, name_draft, run_editor
from gemd.gemctl.failure import Failure

URL = "gemini://h/a.gmi"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where drafts are."""
    directory = tmp_path / "drafts"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def make(*pieces):
    return Draft(pieces, "a.gmi", URL)


def test_a_text_for_its_user_alone(place):
    with make(b"# A ", b"page\n") as draft:
        assert draft.path.read_bytes() == b"# A page\n"
        assert draft.path.name == "a.gmi"
        assert draft.path.parent.stat().st_mode & 0o777 == 0o700
        assert not draft.has_changes
        assert not draft.is_empty
    assert list(place.iterdir()) == []


def test_changes_are_kept_until_they_are_sent(place, capsys):
    with make(b"# A page\n") as draft:
        draft.path.write_bytes(b"# Mine\n")
        assert draft.has_changes
    assert draft.path.read_bytes() == b"# Mine\n"
    said = capsys.readouterr().err
    assert f"gemctl: your text is kept in {draft.path}\n" in said
    assert said.endswith(f"gemctl put {draft.path} {URL}\n")
    with make(b"# A page\n") as draft:
        draft.path.write_bytes(b"# Mine\n")
        draft.is_sent = True
    assert not draft.path.exists()


@pytest.mark.parametrize(
    "end", [Failure("no"), KeyboardInterrupt(), RuntimeError()], ids=lambda end: type(end).__name__
)
def test_changes_are_kept_however_it_ends(end):
    def change():
        with make(b"") as draft:
            draft.path.write_bytes(b"# Mine\n")
            drafts.append(draft)
            raise end

    drafts = []
    with pytest.raises(type(end)):
        change()
    assert drafts[0].path.read_bytes() == b"# Mine\n"


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b""), os.unlink], ids=["emptied", "removed"])
def test_nothing_is_no_text(place, change):
    with make(b"# A page\n") as draft:
        change(draft.path)
        assert draft.is_empty
        assert not draft.has_changes
    assert list(place.iterdir()) == []


def test_a_text_that_breaks_off_leaves_nothing(place):
    def break_off():
        yield b"half"
        raise Failure("it broke off")

    with pytest.raises(Failure, match="it broke off"):
        Draft(break_off(), "a.gmi", URL)
    assert list(place.iterdir()) == []


def test_without_a_place(place):
    place.rmdir()
    with pytest.raises(Failure, match="there is no place for the text: No such file or directory"):
        make()


NAMES = {
    ("a.gmi", "text/plain"): "a.gmi",
    ("", "text/gemini"): "page.gmi",
    ("Main Page", "text/gemini"): "page.gmi",
    ("notes", "text/gemini"): "notes.gmi",
    ("notes", "text/plain"): "notes.txt",
    ("-rf.gmi", "text/gemini"): "page.gmi",
    (".vimrc", "text/plain"): "page.txt",
    ("x" * 101, "text/gemini"): "page.gmi",
    ("a/b.txt", "text/gemini"): "page.gmi",
    ("a\x1b.txt", "text/plain"): "page.txt",
}


@pytest.mark.parametrize("name", NAMES)
def test_how_a_draft_is_called(name):
    assert name_draft(*name) == NAMES[name]


def test_which_editor():
    assert find_editor({"EDITOR": "cat"}) == ["cat"]
    assert find_editor({"EDITOR": "ls", "VISUAL": "cat -A 'b c'"}) == ["cat", "-A", "b c"]
    assert find_editor({"EDITOR": "cat", "VISUAL": ""}) == ["cat"]


@pytest.mark.parametrize("typed", ["no-such-editor -x", "'", "\x1b", " "])
def test_an_editor_that_is_not_there(typed):
    with pytest.raises(Failure, match="there is no editor") as caught:
        find_editor({"EDITOR": typed})
    assert "\x1b" not in str(caught.value)


def test_an_editor_gets_its_words_and_the_file(tmp_path):
    code = "import sys; open(sys.argv[-1], 'w').write(' '.join(sys.argv[1:-1]))"
    run_editor([sys.executable, "-c", code, "-x", "b c"], tmp_path / "text")
    assert (tmp_path / "text").read_text() == "-x b c"


def test_an_editor_that_gives_up(tmp_path):
    with pytest.raises(Failure, match="ended with 3, so that nothing is sent"):
        run_editor(["sh", "-c", "exit 3", "sh"], tmp_path / "text")
    with pytest.raises(Failure, match="can't be started: No such file"):
        run_editor(["/no/such/editor"], tmp_path / "text")


def test_ctrl_c_is_the_editors(tmp_path):
    """It reaches all of the terminal's processes: gemctl goes on, and the editor has not inherited that."""
    handler = signal.getsignal(signal.SIGINT)
    script = (
        f"trap 'echo mine > {shlex.quote(str(tmp_path / 'text'))}; exit 0' INT; kill -INT $PPID; kill -INT $$; exit 1"
    )
    run_editor(["sh", "-c", script, "sh"], tmp_path / "text")
    assert (tmp_path / "text").read_text() == "mine\n"
    assert signal.getsignal(signal.SIGINT) is handler
