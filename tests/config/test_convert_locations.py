"""Which locations have converters, by the configuration."""

from gemd.config.convert_locations import find_converters
from gemd.config.convert_settings import Converter

from .reading import parse

HOST = "[[host]]\nname = 'h'\nconvert = { '.MD' = ['md2gemini'] }\n"


def test_converters_are_those_of_locations_with_files():
    text = f"""{HOST}root = "/r"
        [[host.location]]
        path = "/a"
        convert = {{ '.x' = {{ command = ["bin/x"], type = "text/plain" }} }}
        [[host.location]]
        path = "/a/b"
        client-certificate = "any"
        [[host.location]]
        path = "/c"
        convert = {{}}
        [[host.location]]
        path = "/d"
        root = "/d"
        """
    found = [(where, converter) for where, _, converter in find_converters(parse(text))]
    markdown, other = Converter(command=("md2gemini",)), Converter(command=("/etc/bin/x",), type="text/plain")
    assert found == [
        ("host[1].convert..md", markdown),
        ("host[1].location[1].convert..x", other),
        ("host[1].location[2].convert..x", other),  # what is below has it, as it has what protects
        ("host[1].location[4].convert..md", markdown),
    ]


def test_without_files_there_are_none():
    assert list(find_converters(parse(f"{HOST}app = 'a:b'\n"))) == []


def test_users_directories_have_files():
    assert len(list(find_converters(parse(f"{HOST}user-directories = {{}}\n")))) == 1
