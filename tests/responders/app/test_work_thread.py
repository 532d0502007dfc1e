"""A thread for an application's code."""

import errno
import gc
import multiprocessing
import os
import threading
import weakref
from queue import SimpleQueue

import pytest

from gemd.responders.app.work_thread import WorkThread
from tests.support.descriptors import open_descriptors
from tests.support.waiting import LONGEST, wait_for


def do_in(thread, act, *values):
    """What it gives."""
    results = SimpleQueue()
    thread.submit(lambda: results.put(act(*values)))
    return results.get(timeout=2 * LONGEST)


def test_all_is_done_in_one_thread_in_order():
    thread, done = WorkThread("mine"), []
    for number in range(5):
        thread.submit(lambda n=number: done.append((n, threading.get_ident())))
    works_in = do_in(thread, threading.get_ident)
    assert works_in != threading.get_ident()
    assert done == [(number, works_in) for number in range(5)]


def test_its_name_is_shown():
    assert do_in(WorkThread("mine"), lambda: threading.current_thread().name) == "mine"


def test_what_is_raised_ends_nothing():
    thread = WorkThread("mine")
    for error in (ValueError, SystemExit):
        thread.submit(lambda e=error: (_ for _ in ()).throw(e))
    assert do_in(thread, len, [1]) == 1


def test_it_ends_when_nobody_has_it():
    before = open_descriptors()
    thread = WorkThread("mine")
    works_in = do_in(thread, threading.current_thread)
    del thread
    gc.collect()
    wait_for(lambda: not works_in.is_alive(), "its end")
    assert open_descriptors().keys() <= before.keys()


def test_who_wakes_it_at_its_end_writes_to_nothing_else(monkeypatch):
    """Its descriptor is not closed, so that its number is not another one's, before that."""
    thread, open_then = WorkThread("mine"), []
    works_in, inbox = do_in(thread, threading.current_thread), weakref.ref(thread._inbox)
    wait_for(lambda: inbox()._is_awaiting, "the thread")
    write = os.eventfd_write

    def write_late(descriptor, number):
        write(descriptor, number)
        wait_for(lambda: not works_in.is_alive(), "its end")
        open_then.append(descriptor in open_descriptors())

    with monkeypatch.context() as changes:
        changes.setattr("os.eventfd_write", write_late)
        del thread
        gc.collect()
    assert False not in open_then  # nor is there anything to write where it has just looked
    assert inbox() is None


def test_one_that_is_not_needed_is_not_started():
    before = threading.active_count()
    WorkThread("mine")
    assert threading.active_count() == before


def test_one_that_can_not_be_started_is_tried_again(monkeypatch):
    before = open_descriptors()
    thread = WorkThread("mine")
    with monkeypatch.context() as changes:
        changes.setattr("threading._start_new_thread", refuse, raising=False)
        changes.setattr("threading._start_joinable_thread", refuse, raising=False)  # of Python 3.13 and later
        with pytest.raises(RuntimeError):
            thread.submit(len, [])
    assert open_descriptors().keys() <= before.keys()
    assert do_in(thread, len, [1]) == 1


def test_one_that_finds_no_descriptor_is_tried_again(monkeypatch):
    thread = WorkThread("mine")
    with monkeypatch.context() as changes:
        changes.setattr("os.eventfd", has_none)
        with pytest.raises(RuntimeError):
            thread.submit(len, [])
    assert do_in(thread, len, [1]) == 1


def has_none(*_values):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def refuse(*_values, **_named):
    raise RuntimeError("can't start new thread")


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_process_that_is_made_in_it_ends_as_it_should():
    def make():
        process = multiprocessing.get_context("fork").Process(target=len, args=([],))
        process.start()
        process.join(LONGEST)
        return process.exitcode

    assert do_in(WorkThread("mine"), make) == 0
