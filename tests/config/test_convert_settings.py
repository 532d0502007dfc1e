import pytest

from gemd.config.convert_settings import (
    Converter,
    find_extension,
    judge_converters,
    judge_extensions,
    list_programs,
    move_programs,
)
from gemd.config.render import render_config

from .reading import HOST, first, parse, problems_of

NAMES = {
    "page.md": ".md",
    "PAGE.MD": ".md",
    "a.tar.gz": ".gz",
    "page": "",
    ".md": "",
    "page.": "",
    "": "",
    "page.md.": ".md",  # which vfat takes for page.md
    "page.md ": ".md",
    "page.m\u200dd": ".md",  # and ext4 where it folds case
    "page.\uff4dd": ".md",
    "page.md~": ".md~",
}


@pytest.mark.parametrize(("name", "extension"), NAMES.items())
def test_the_last_extension_counts_however_it_is_spelled(name, extension):
    assert find_extension(name) == extension


def test_programs_are_moved_where_they_are_paths():
    entries = {".MD": ("md2gemini", "a/b"), ".x": ("bin/x", "y"), ".y": Converter(command=("/y",), type="text/plain")}
    assert move_programs(entries, lambda path: f"/base/{path}") == {
        ".md": Converter(command=("md2gemini", "a/b")),
        ".x": Converter(command=("/base/bin/x", "y")),
        ".y": Converter(command=("/base//y",), type="text/plain"),
    }
    assert list_programs(entries) == ["md2gemini", "bin/x", "/y"]


def test_what_is_right_is_not_complained_of():
    entries = {".md": ("md2gemini", ""), ".x": Converter(command=("x",), type="text/plain; charset=utf-8")}
    assert list(judge_converters(entries)) == []
    assert list(judge_extensions((".gmi", ".en.gmi"))) == []


@pytest.mark.parametrize("extension", ["md", "", ".", "*", ".tar.gz", ".m/d", ".md.", ". "])
def test_what_is_no_extension_is_told(extension):
    [text] = judge_converters({extension: ("x",)})
    assert text.startswith('expected the extension of a file\'s name, such as ".md", not ')


def test_an_extension_is_listed_once():
    assert list(judge_converters({".md": ("a",), ".MD": ("b",)})) == [
        '".MD" is listed twice, upper case and lower case being one'
    ]


@pytest.mark.parametrize("command", [("",), ("a\0b",), ("a", "b\0")])
def test_a_program_needs_a_name(command):
    assert list(judge_converters({".md": command})) == [
        '".md" needs the name or path of a program, and arguments without NUL'
    ]


def test_a_command_line_is_no_program():
    [text] = judge_converters({".md": ("md2gemini -f",)})
    assert "each argument is a text of its own" in text


def test_extensions_in_one_text_are_no_list():
    [text] = judge_extensions((".gmi,.md",))
    assert text.startswith("several extensions are a list")


def test_a_type_is_a_media_type():
    [text] = judge_converters({".md": Converter(command=("x",), type="gemini")})
    assert text == 'expected a media type for ".md" such as "text/gemini", not "gemini"'


@pytest.mark.parametrize("extension", ["gmi", "", ".", "..", "/x.gmi", "./gmi", ".a\0"])
def test_what_can_be_no_end_of_a_name_is_told(extension):
    [text] = judge_extensions((extension,))
    assert text.startswith('expected an extension such as ".gmi", or a list of them, not ')


WRONG = {
    "list": ("['md2gemini']", "host[1].convert", "expected a table, each entry a program with its arguments"),
    "text": ("{ '.md' = 'md2gemini' }", "host[1].convert..md", 'expected a program with its arguments, as in ["md2'),
    "nothing": ("{ '.md' = [] }", "host[1].convert..md", "expected a program with its arguments"),
    "no key": ("{ '.md' = { comand = ['x'] } }", "host[1].convert..md.comand", "there is no such key; did you mean"),
    "no command": ("{ '.md' = { type = 'text/gemini' } }", "host[1].convert..md", "needs the key command"),
    "no extension": ("{ md = ['x'] }", "host[1].convert", "expected the extension"),
    "no table": ("['md2gemini']", "host[1].convert", "expected a table"),
}


@pytest.mark.parametrize(("value", "path", "text"), WRONG.values(), ids=WRONG)
def test_mistakes_are_told_with_their_key(value, path, text):
    problems = problems_of(f"{HOST}convert = {value}\n")
    assert list(problems) == [path]
    assert problems[path].startswith(text)


def test_what_is_tried_is_told_with_its_key():
    assert list(problems_of(f"{HOST}try = 'gmi'\n")) == ["host[1].try"]


def test_a_text_alone_is_a_list_of_one():
    assert first(f"{HOST}try = '.gmi'\n").tried == (".gmi",)
    assert first(f"{HOST}try = ['.gmi', '.md']\n").tried == (".gmi", ".md")
    assert first(HOST).tried == ()


def test_what_is_rendered_reads_back():
    config = parse(f"{HOST}convert = {{ '.MD' = ['bin/x', 'a'] }}\ntry = '.gmi'\n")
    assert parse(render_config(config)).hosts == config.hosts
    assert config.hosts[0].locations[0].convert == {".md": Converter(command=("/etc/bin/x", "a"))}
