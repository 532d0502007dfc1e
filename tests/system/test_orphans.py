"""Orphans: in a process of its own, which becomes their parent."""

import subprocess
import sys

PROGRAM = """
import os, signal, subprocess, time
from gemd.system import orphans

def start(text):
    return subprocess.Popen(["/bin/sh", "-c", text], stdout=subprocess.PIPE, start_new_session=True)

def is_there(pid):
    try:
        return open(f"/proc/{{pid}}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

def parent_of(pid):
    return int(open(f"/proc/{{pid}}/stat").read().rpartition(")")[2].split()[1])

orphans.adopt_orphans()
{test}
print("done")
"""


def run(test):
    command = [sys.executable, "-c", PROGRAM.format(test=test)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("done\n", "")


def test_what_left_its_session_is_adopted_and_killed():
    run("""
with start("setsid sleep 60 >/dev/null & echo $!") as script:
    left = int(script.stdout.readline())
    script.wait()
while parent_of(left) != os.getpid():
    time.sleep(0.001)
orphans.kill_orphans()
assert not is_there(left)
""")


def test_those_to_keep_stay_and_so_does_what_runs():
    run("""
with orphans.registration() as register:
    running = start("exec sleep 60")
    register(running.pid)
kept, other = start("exec sleep 60"), start("exec sleep 60")
orphans.kill_orphans(keep=[kept.pid])
assert [is_there(each.pid) for each in (running, kept, other)] == [True, True, False]
orphans.forget(running.pid)
orphans.kill_orphans(keep=[kept.pid])
assert [is_there(each.pid) for each in (running, kept)] == [False, True]
kept.kill()
for each in (running, kept, other):
    each.wait(), each.stdout.close()
""")


def test_a_worker_that_can_not_wait_kills_what_runs_with_its_group():
    run("""
with orphans.registration() as register:
    script = start("sleep 60 & echo $!; wait")
    register(script.pid)
child = int(script.stdout.readline())
orphans.kill_running()
assert script.wait(15) == -signal.SIGKILL
while is_there(child):
    time.sleep(0.001)
script.stdout.close()
""")
