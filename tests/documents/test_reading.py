"""What counts as a command in a document, and what doesn't."""

from tests.documents.reading import commands_of, configurations_of, is_command, join_lines


def test_a_command_may_have_several_lines_and_a_comment():
    assert join_lines("a \\\n  b   # why\n\nc |\n  d '#'\n", 7) == [(7, "a b"), (10, "c | d '#'")]


def test_blocks_and_what_stands_in_the_text_are_read_in_their_order(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("Type `gemd\n-t`, not `gemd`.\n\n```sh\nmake x\n```\n\n    make y\n\n```toml\nlisten = 1\n```\n")
    found = [(command.line, command.text, command.in_block) for command in commands_of(page)]
    assert found == [(1, "gemd -t", False), (5, "make x", True), (8, "make y", True)]
    assert configurations_of(page) == ["listen = 1\n"]


def test_what_is_no_command():
    assert is_command(["strange-program", "--new"])
    assert not is_command(["timeout", "client"])
    assert not is_command(["hosts", "=", '"*"'])
    assert not is_command(["-v", "x"])


def test_a_manual_page_has_prompts_and_quotes(tmp_path):
    page = tmp_path / "a.8"
    page.write_text(
        ".Dl # gemd --host \\(dq\\(dq\n.Ql gemd -t .\n.Ql two words\n.Ql gemd -c Ar file\n"
        ".Bd -literal\n$ cd x\n$ make y\n.Ed\n.Bd -literal\n[[host.location]]\npath = \\(dq/\\(dq\n.Ed\n"
    )
    assert [command.text for command in commands_of(page)] == ['gemd --host ""', "gemd -t", "cd x", "make y"]
    (text,) = configurations_of(page)
    assert text.startswith('[[host]]\nname = "example.org"\n')
    assert text.endswith('[[host.location]]\npath = "/"\n')
