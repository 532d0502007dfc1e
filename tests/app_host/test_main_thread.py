import threading

from gemd.app_host.main_thread import MainThread


def test_it_does_what_it_is_given_in_order_and_no_more():
    thread, done = MainThread(), []
    thread.submit(done.append, 1)
    thread.submit(lambda *, value: done.append(value), value=2)
    thread.stop()
    thread.submit(done.append, 3)
    thread.run()
    assert done == [1, 2]


def test_what_is_raised_ends_it_not():
    def leave():
        raise SystemExit(3)

    thread, done = MainThread(), []
    thread.submit(leave)
    thread.submit(done.append, threading.get_ident())
    thread.stop()
    thread.run()
    assert done == [threading.get_ident()]
