import os
import re

import pytest

from gemd.app import RateLimiter, Request, Response


def request_of(address="192.0.2.1"):
    return Request({"GEMINI_URL": "gemini://localhost/", "REMOTE_ADDR": address})


@pytest.mark.parametrize(
    ("rate", "number", "period"),
    [("5/s", 5, 1), ("10/5m", 10, 300), ("100/2h", 100, 7200), ("1000/d", 1000, 86400), ("0/3s", 0, 3)],
)
def test_rates(rate, number, period):
    limiter = RateLimiter(rate)
    assert (limiter.number, limiter.period) == (number, period)


@pytest.mark.parametrize("rate", ["", "5", "5/x", "5/ s", "/s", "-1/s", "5/s ", "1.5/s"])
def test_what_is_no_rate(framework, rate):
    with pytest.raises(ValueError):
        framework.RateLimiter(rate)


def test_the_answer_is_that_of_jetforce(framework):
    limiter = framework.RateLimiter("2/h")
    request = framework.Request({"GEMINI_URL": "gemini://localhost/", "REMOTE_ADDR": "192.0.2.1"})
    assert [limiter.check(request) for _ in range(2)] == [None, None]
    response = limiter.check(request)
    assert response.status == 44
    assert re.fullmatch(r"Rate limit exceeded, wait \d+ seconds\.", response.meta)


def test_a_client_is_who_gemd_says():
    limiter = RateLimiter("1/d")
    requests = [
        Request({"GEMINI_URL": "gemini://localhost/", "REMOTE_ADDR": f"2001:db8:1:{nr}::1", "gemd.client": "here"})
        for nr in range(2)
    ]
    assert [limiter.check(request) is None for request in requests] == [True, False]


def test_limiters_and_keys_are_told_apart():
    one, other = RateLimiter("1/d"), RateLimiter("1/d")
    assert one.check(request_of()) is None
    assert one.check(request_of("192.0.2.2")) is None
    assert other.check(request_of()) is None
    assert isinstance(one.check(request_of()), Response)
    assert isinstance(other.check(request_of()), Response)


def test_a_reset_forgets_all_of_one_limiter():
    one, other = RateLimiter("1/d"), RateLimiter("1/d")
    assert [limiter.check(request_of("192.0.2.3")) for limiter in (one, other)] == [None, None]
    one.reset()
    assert one.check(request_of("192.0.2.3")) is None
    assert other.check(request_of("192.0.2.3")) is not None


def test_keys_of_ones_own(framework):
    class ByPath(framework.RateLimiter):
        def get_key(self, request):
            return None if request.path == "/free" else (request.path, 1)

    limiter = ByPath("1/d")

    def check(path):
        return limiter.check(framework.Request({"GEMINI_URL": f"gemini://localhost{path}"}))

    assert [check("/free") for _ in range(3)] == [None] * 3
    assert [check(path) is None for path in ("/a", "/b", "/a")] == [True, True, False]


def test_a_route_alone(framework):
    limiter = framework.RateLimiter("1/d")

    @limiter.apply
    def route(request, name):
        return framework.Response(20, "text/plain", name)

    request = framework.Request({"GEMINI_URL": "gemini://localhost/", "REMOTE_ADDR": "192.0.2.77"})
    assert route(request, name="x").body == "x"
    assert route(request, name="x").status == 44


def test_a_client_is_a_network_as_everywhere():
    limiter = RateLimiter("1/d")
    addresses = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.20", "192.0.2.21")
    assert [limiter.check(request_of(address)) is None for address in addresses] == [True, False, True, True, True]


def test_all_processes_count_together():
    limiter = RateLimiter("3/d")
    child = os.fork()
    if not child:
        os._exit(int([limiter.check(request_of("192.0.2.9")) for _ in range(2)] != [None, None]))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert limiter.check(request_of("192.0.2.9")) is None
    assert limiter.check(request_of("192.0.2.9")) is not None
