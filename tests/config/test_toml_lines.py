"""On which line each key stands, whatever is between them."""

import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from gemd.config.toml_lines import find_lines

TEXT = """# a comment with [brackets] = and "quotes
workers = 2
listen = [  # [[host]]
  "a", # ]
  "b",
]
tls.ca-file = "x"
[log]
access = ***
[[host]]
name = "no"
***   # x
"error" = '#'

[[host]]
name = "a"
mime = { '.a' = 'b', "=" = "\\"" }
root = +++
[x]
+++
  [[host.location]]
  path = "/a"
  [host.location.fastcgi]
  to = "s"
  [[host.location]]
  path = "/b"
[[ "host" ]]
name = "b"
cgi . "environment" = 1
""".replace("***", '"' * 3).replace("+++", "'" * 3)

LINES = {
    "workers": 2,
    "listen": 3,
    "listen[1]": 4,
    "listen[2]": 5,
    "tls": 7,
    "tls.ca-file": 7,
    "log": 8,
    "log.access": 9,
    "log.error": 13,
    "host[1]": 15,
    "host[1].name": 16,
    "host[1].mime": 17,
    "host[1].mime..a": 17,
    "host[1].mime.=": 17,
    "host[1].root": 18,
    "host[1].location[1]": 21,
    "host[1].location[1].path": 22,
    "host[1].location[1].fastcgi": 23,
    "host[1].location[1].fastcgi.to": 24,
    "host[1].location[2]": 25,
    "host[1].location[2].path": 26,
    "host[2]": 27,
    "host[2].name": 28,
    "host[2].cgi": 29,
    "host[2].cgi.environment": 29,
}


def test_each_key_has_its_line():
    tomllib.loads(TEXT)
    assert find_lines(TEXT) == LINES


@pytest.mark.parametrize("text", ["", "\n", "# only\n", "a = 1", "a = 1 # x"])
def test_little(text):
    assert find_lines(text) == ({"a": 1} if "a" in text else {})


@given(st.dictionaries(st.text("ab", min_size=1), st.one_of(st.text(), st.integers(), st.lists(st.text()))))
def test_whatever_the_values_are(tables):
    text = tomli_w.dumps(tables, multiline_strings=True)
    tomllib.loads(text)
    lines = find_lines(text)
    lines = {path: line for path, line in lines.items() if not path.endswith("]")}
    assert list(lines) == list(tables)
    rows = text.split("\n")
    assert all(rows[line - 1].startswith(f"{key} =") for key, line in lines.items())
