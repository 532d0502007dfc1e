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
