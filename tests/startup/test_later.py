"""In a process of its own: here everything may have been imported long ago."""

import subprocess
import sys

PROGRAM = """
import sys
from gemd.startup import later
from gemd.protocol.host import normalise_host
later.import_all()
before = set(sys.modules)
for host in ("bücher.example", "BÜCHER。example", "日本.example", "xn--bcher-kva.example", "ü" * 80):
    try:
        normalise_host(host)
    except ValueError:
        pass
print(sorted(set(sys.modules) - before))
"""


def test_host_names_need_nothing_that_is_not_there():
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


GATEWAYS = """
import pkgutil, sys
from gemd.startup import later
import gemd.responders.router
later.import_all()
import gemd.responders.gateway as gateway
modules = {one.name for one in pkgutil.iter_modules(gateway.__path__, "gemd.responders.gateway.")}
print(sorted(modules - set(sys.modules)))
"""


def test_each_kind_of_gateway_is_there_that_a_reload_may_bring():
    """But for that of HTTP, whose library is looked for with it."""
    run = subprocess.run([sys.executable, "-c", GATEWAYS], capture_output=True, text=True, check=True)
    assert run.stdout == "['gemd.responders.gateway.http', 'gemd.responders.gateway.http_proxy']\n"


CACHES = """
import importlib, sys
from gemd.startup import later
later.import_all()
before = set(sys.modules)
importlib.invalidate_caches()
print(sorted(set(sys.modules) - before))
"""


def test_applications_are_looked_for_with_what_is_there():
    run = subprocess.run([sys.executable, "-c", CACHES], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
