"""What is at the top of a file."""

from gemd.config.keys import SERVICE_KEYS, TABLES, TOP_KEYS


def test_every_table_and_every_key_of_the_service_is_a_key():
    assert TABLES.keys() | SERVICE_KEYS.keys() | {"include", "listen", "workers", "host"} == TOP_KEYS.keys()
