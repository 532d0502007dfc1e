"""What -t, a start and a reload say of configurations that are wrong: all of it, with file and line.

A case goes to the file in `wrong_configurations` that has its like, as `#--- what is wrong` and the text; each line
that is wrong is followed by what is said of it, as `#> ...`, and what has no line stands first.
"""

import pytest

from gemd.config import ConfigError
from gemd.options import parse_arguments
from gemd.startup.reading import ConfigReader

from .wrong import read_cases

CASES = {name: (text, said) for name, text, said in read_cases()}


@pytest.mark.parametrize(("text", "said"), CASES.values(), ids=CASES)
def test_all_of_it_is_said(tmp_path, text, said):
    (tmp_path / "capsule").mkdir()
    (tmp_path / "capsule/index.gmi").touch()
    path = tmp_path / "gemd.conf"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        ConfigReader(parse_arguments(["-c", "gemd.conf"]), tmp_path)()
    assert [line.replace(f"{tmp_path}/", "") for line in caught.value.lines()] == [f"gemd.conf{line}" for line in said]


def test_there_are_many():
    assert len(CASES) >= 116
