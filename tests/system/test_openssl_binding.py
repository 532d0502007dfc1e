"""Which way to call OpenSSL is chosen by what is there."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.bindings.openssl.binding import Binding

from gemd.system import openssl_binding, openssl_calls, openssl_direct, openssl_public

_lib = Binding.lib
TEXT = "".join(Path(module.__file__).read_text() for module in (openssl_calls, openssl_direct))
NAMES = sorted(set(re.findall(r"\b_?lib\.(\w+)", TEXT)))


@pytest.fixture
def import_again(monkeypatch):
    """The choice, made anew."""
    for module in (openssl_binding, openssl_calls, openssl_direct):
        monkeypatch.delitem(sys.modules, module.__name__)
        monkeypatch.delattr(sys.modules["gemd.system"], module.__name__.rpartition(".")[2])
    return lambda: importlib.import_module(openssl_binding.__name__)


def test_direct_calls_where_they_are_possible(import_again):
    chosen = import_again()
    assert chosen.BINDING == openssl_direct.NAME
    assert chosen.make_context.__name__ == "DirectContext"


class Lib:
    """The library of a release that has something no longer."""

    def __init__(self, missing):
        self._missing = missing

    def __getattr__(self, name):
        if name == self._missing:
            raise AttributeError(name)
        return getattr(_lib, name)


def test_the_names_are_found():
    assert len(NAMES) > 20
    assert {"SSL_new", "X509_V_OK"} <= set(NAMES)


@pytest.mark.parametrize("missing", NAMES)
def test_the_public_interface_where_something_is_missing(import_again, monkeypatch, missing):
    monkeypatch.setattr(Binding, "lib", Lib(missing))
    chosen = import_again()
    assert chosen.BINDING == openssl_public.NAME
    assert chosen.make_context is openssl_public.PublicContext


def test_the_public_interface_where_contexts_have_no_pointer(import_again, monkeypatch):
    class Context:
        def __init__(self, method):
            pass

    monkeypatch.setattr(openssl_public.SSL, "Context", Context)
    assert import_again().BINDING == openssl_public.NAME
