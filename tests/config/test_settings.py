import pytest

from gemd.config.types import Address, Settings


@pytest.mark.parametrize(
    ("address", "text"),
    [(Address("h", 1), "h:1"), (Address("::", 1965), "[::]:1965"), (Address("unix", 0, "/run/s"), "unix:/run/s")],
)
def test_an_address_is_written_as_the_file_has_it(address, text):
    assert str(address) == text


def test_settings_are_frozen():
    assert all(table.__struct_config__.frozen for table in Settings.__subclasses__())
