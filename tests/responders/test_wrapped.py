from types import SimpleNamespace

from gemd.responders.wrapped import WrappedAnswer


def test_it_is_the_answer_until_that_is_there():
    done = []
    answer = SimpleNamespace(
        descriptors=(3,), deadline=4.0, begin=done.append, settle=lambda: "page", close=lambda: done.append("close")
    )
    wrapped = WrappedAnswer(answer)
    answer.deadline = 5.0  # as it may change
    assert (wrapped.descriptors, wrapped.deadline, wrapped.settle()) == ((3,), 5.0, "page")
    wrapped.begin("helper")
    wrapped.close()
    assert done == ["helper", "close"]
