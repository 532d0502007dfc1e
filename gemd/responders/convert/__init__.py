"""Converters: programs that make the page that is sent of a file."""
