"""A text on a server, in an editor: one that is a script here."""

import shlex
import ssl
import sys
import tempfile

import pytest

from gemd.gemctl.edit import reduce_media_type

EDITOR = """
import sys
path = sys.argv[-1]
with open(path, encoding="utf-8") as file:
    text = file.read()
with open({seen!r}, "w", encoding="utf-8") as file:
    file.write(path.rpartition("/")[2] + "|" + text)
with open(path, "w", encoding="utf-8") as file:
    file.write({text!r}.replace("<old>", text))
"""


@pytest.fixture(autouse=True)
def drafts(tmp_path, monkeypatch):
    """Where drafts are."""
    directory = tmp_path / "drafts"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.fixture
def edit(client, tmp_path, monkeypatch):
    """Run `gemctl edit` with an editor that makes another text of it; its outcome, and what the editor has seen."""

    def edit(*arguments, text):
        seen = tmp_path / "seen"
        (tmp_path / "editor.py").write_text(EDITOR.format(seen=str(seen), text=text))
        monkeypatch.setenv("VISUAL", shlex.join([sys.executable, str(tmp_path / "editor.py")]))
        seen.unlink(missing_ok=True)
        code, printed, said = client("edit", *arguments)
        assert printed == b""
        return code, said, seen.read_text() if seen.exists() else None

    return edit


def test_a_page_is_changed(titan, edit, drafts):
    server = titan()
    code, said, seen = edit(server.url("/wiki/a.gmi"), text="<old>More\n")
    assert (code, seen) == (0, "a.gmi|# A page\n")
    assert [line.decode() for line in server.requests] == [
        *[f"titan://{server.place}/wiki/a.gmi;edit\r\n"] * 2,
        f"titan://{server.place}/wiki/a.gmi;size=14;mime=text/gemini\r\n",
    ]
    assert server.bodies == [b"# A page\nMore\n"]
    assert said.endswith(f"gemctl: done; to see it: gemini://{server.place}/a.gmi\n")
    assert list(drafts.iterdir()) == []


def test_nothing_is_sent_that_was_not_changed(titan, edit, drafts):
    server = titan()
    code, said, seen = edit(server.url("/a.gmi"), text="<old>")
    assert (code, seen) == (0, "a.gmi|# A page\n")
    assert said.endswith("gemctl: nothing was changed, so that nothing is sent\n")
    assert len(server.requests) == 1
    assert list(drafts.iterdir()) == []


def test_a_page_that_is_new(titan, edit):
    server = titan(source=b"51 Not found\r\n")
    code, said, seen = edit(server.url("/new.txt"), text="<old>First\n")
    assert (code, seen) == (0, "new.txt|")
    assert "there is nothing yet: what you write will be new" in said
    assert (server.parameters, server.bodies) == ("size=6;mime=text/plain", [b"First\n"])


def test_an_emptied_page_is_not_deleted(titan, edit, drafts):
    server = titan()
    code, said, _ = edit(server.url("/a.gmi"), text="")
    assert (code, "the text is empty now, which would delete what is there" in said) == (1, True)
    assert len(server.requests) == 1
    assert list(drafts.iterdir()) == []


@pytest.mark.parametrize("now", [b"20 text/gemini\r\n# Another\n", b"51 Not found\r\n"], ids=["changed", "deleted"])
def test_what_somebody_else_has_written_meanwhile_stays(titan, edit, drafts, now):
    server = titan()
    take = server.answer

    def take_and_change(tls):
        take(tls)
        server.source = now

    server.answer = take_and_change
    code, said, _ = edit(server.url("/a.gmi"), text="<old>More\n")
    (kept,) = drafts.glob("*/*")
    assert (code, "somebody else has changed it meanwhile, so that nothing is sent" in said) == (1, True)
    assert f"your text is kept in {kept}\n" in said
    assert server.bodies == []


def test_a_new_page_that_somebody_else_has_begun_meanwhile(titan, edit):
    server = titan(source=b"51 Not found\r\n")
    take = server.answer

    def take_and_change(tls):
        take(tls)
        server.source = b"20 text/gemini\r\n# Another\n"

    server.answer = take_and_change
    assert "somebody else has changed it" in edit(server.url("/a.gmi"), text="<old>More\n")[1]
    assert server.bodies == []


def test_what_the_server_does_not_tell_again_is_sent(titan, edit):
    """It is the upload that is refused then, or not."""
    server = titan()
    take = server.answer

    def take_and_refuse(tls):
        take(tls)
        server.source = b"44 5\r\n"

    server.answer = take_and_refuse
    assert edit(server.url("/a.gmi"), text="<old>More\n")[0] == 0
    assert server.bodies == [b"# A page\nMore\n"]


def test_a_text_that_is_refused_is_kept(titan, edit, drafts):
    server = titan()
    server.refusal = b"59 At most 5 bytes\r\n"
    code, said, _ = edit(server.url("/a.gmi"), text="<old>More\n")
    (kept,) = drafts.glob("*/*")
    assert kept.read_text() == "# A page\nMore\n"
    assert (code, "\n59 At most 5 bytes\n" in said) == (1, True)
    assert f"gemctl: your text is kept in {kept}\n" in said
    assert said.endswith(f"gemctl put {kept} {server.url('/a.gmi')}\n")


def test_a_text_is_kept_when_the_server_has_gone(titan, edit, drafts):
    def leave(tls):
        raise ConnectionAbortedError

    server = titan()
    take = server.answer
    server.answer = lambda tls: take(tls) if len(server.requests) == 1 else leave(tls)
    code, said, _ = edit(server.url("/a.gmi"), text="<old>More\n")
    (kept,) = drafts.glob("*/*")
    assert kept.read_text() == "# A page\nMore\n"
    assert (code, f"your text is kept in {kept}\n" in said) == (1, True)


def test_half_a_text_is_not_edited(titan, edit, drafts):
    server = titan(source=b"20 text/gemini\r\n# A pa", proper=False)
    code, said, seen = edit(server.url("/a.gmi"), text="<old>More\n")
    assert (code, seen, "without close_notify" in said) == (1, None, True)
    assert list(drafts.iterdir()) == []


def test_what_is_no_text_is_not_edited(titan, edit):
    code, said, seen = edit(titan(source=b"20 image/png\r\nPNG").url("/a.png"), text="<old>")
    assert (code, seen, "it is image/png, which is no text" in said) == (1, None, True)


def test_more_than_anybody_edits_is_not_written_to_a_disk(titan, edit, drafts, monkeypatch):
    monkeypatch.setattr("gemd.gemctl.edit._MAX_TEXT", 100_000)
    code, said, seen = edit(titan(source=b"20 text/gemini\r\n" + bytes(100_001)).url("/a.gmi"), text="<old>")
    assert (code, seen, "it has more than 97.7 KiB" in said) == (1, None, True)
    assert list(drafts.iterdir()) == []
    server = titan(source=b"20 text/gemini\r\n" + b"a" * 100_000)
    assert edit(server.url("/a.gmi"), text="<old>More\n")[0] == 0


@pytest.mark.parametrize("source", [b"60 Who are you?\r\n", b"59 No such parameter\r\n", b"40 Being edited\r\n"])
def test_a_refusal_to_edit(titan, edit, source):
    code, said, seen = edit(titan(source=source).url("/a.gmi"), text="<old>More\n")
    assert (code, seen) == (1, None)
    assert source.decode().strip() in said


def test_options_are_those_of_uploads(titan, edit, tmp_path):
    server = titan(verify_mode=ssl.CERT_OPTIONAL)
    certificate = server.authority.issue_cert("ada@example.org")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ada.pem"))
    arguments = ["--certificate", tmp_path / "ada.pem", "--token", "secret", "--type", "text/plain"]
    assert edit(*arguments, server.url("/a.gmi"), text="<old>More\n")[0] == 0
    assert all(server.clients)
    assert server.parameters == "size=14;mime=text/plain;token=secret"


def test_without_an_editor_nobody_is_asked(titan, client, monkeypatch):
    server = titan()
    monkeypatch.setenv("VISUAL", "no-such-editor")
    assert client("edit", server.url("/a.gmi"))[2] == "gemctl: there is no editor no-such-editor: set EDITOR to one\n"
    assert server.requests == []


TYPES = {
    "text/gemini": "text/gemini",
    "text/gemini; lang=en": "text/gemini",
    "Text/Plain; charset=UTF-8": "text/plain",
    "text/plain;lang=de; charset=\"iso-8859-1\"": "text/plain;charset=iso-8859-1",
    "": "text/gemini",
}  # fmt: skip


@pytest.mark.parametrize("text", TYPES)
def test_the_type_that_goes_back(text):
    assert reduce_media_type(text) == TYPES[text]
