import pytest

from gemd.system.mime_table import load_mime_table

TABLE = load_mime_table()


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        (".gmi", "text/gemini"),
        (".gemini", "text/gemini"),
        (".txt", "text/plain"),
        (".png", "image/png"),
        (".gz", "application/gzip"),
        (".tgz", "application/gzip"),
        (".md", "text/markdown"),
    ],
)
def test_knows(extension, media_type):
    assert TABLE[extension] == media_type


def test_every_extension_is_found_in_lower_case(tmp_path, monkeypatch):
    (tmp_path / "mime.types").write_text("text/x-c c\ntext/x-c++ C\napplication/x-eln ELN\n")
    monkeypatch.setattr("mimetypes.knownfiles", [str(tmp_path / "mime.types")])
    table = load_mime_table()
    assert (table[".c"], table[".eln"]) == ("text/x-c", "application/x-eln")


def test_ours_go_before_the_machines(tmp_path, monkeypatch):
    (tmp_path / "mime.types").write_text("application/wrong gmi\napplication/x-ours zzz\n")
    monkeypatch.setattr("mimetypes.knownfiles", [str(tmp_path / "mime.types"), str(tmp_path / "missing")])
    table = load_mime_table()
    assert table[".gmi"] == "text/gemini"
    assert table[".zzz"] == "application/x-ours"
