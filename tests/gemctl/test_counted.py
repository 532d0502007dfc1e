from gemd.gemctl.counted import COUNTED
from gemd.gemctl.status import parse_status
from gemd.protocol.counters import BUCKETS, CLASSES, EVENTS

BASE = {"version": "1", "pid": 1, "state": "serving"}
BUCKET = [1, *[0] * (BUCKETS - 2), 2]


def read(name, **status):
    """The samples of a metric: suffix and values of the labels to the value."""
    (family,) = (family for family in COUNTED if family.name == name)
    found = [
        ((suffix, *labels.values()), value) for suffix, labels, value in family.samples(parse_status(BASE | status))
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_a_master_that_is_older_says_nothing_of_it():
    values = [value for family in COUNTED for _, _, value in family.samples(parse_status(BASE))]
    assert values == [0] * sum(len(events.values) for events in EVENTS)


def test_each_class_of_a_host_is_there_before_it_was_given():
    found = read("gemd_responses", responses={"(none)": {}, "h": {"2x": 5}})
    assert len(found) == 2 * len(CLASSES)
    assert (found["", "h", "2x"], found["", "h", "none"], found["", "(none)", "5x"]) == (5, 0, 0)


def test_responders_that_have_answered():
    status = {"durations": {"root": {"seconds": 70.5, "2x": BUCKET, "5x": BUCKET}}}
    found = read("gemd_responder_responses", **status)
    assert (found["", "root", "2x"], found["", "root", "4x"], found["", "root", "5x"]) == (3, 0, 3)
    histogram = read("gemd_request_duration_seconds", **status)
    assert histogram["_bucket", "root", "0.01"] == 2
    assert histogram["_bucket", "root", "60.0"] == 2
    assert histogram["_bucket", "root", "+Inf"] == histogram["_count", "root"] == 6
    assert histogram["_sum", "root"] == 70.5


def test_buckets_of_another_version_are_left_out():
    status = {"durations": {"root": {"seconds": 1.0, "2x": [1, 2]}, "cgi": {"seconds": [1], "2x": BUCKET}}}
    assert read("gemd_request_duration_seconds", **status) == {}
    assert read("gemd_responder_responses", **status) == {}


def test_events_and_those_that_are_not_known():
    status = {"events": {"refusals": {"rate": 7, "for the moon": 3}, "moons": {"full": 1}}}
    found = read("gemd_refusals", **status)
    assert found["", "rate"] == 7
    assert found["", "budget"] == 0
    assert ("", "for the moon") not in found


def test_when_certificates_end():
    assert read("gemd_certificate_not_after_seconds", certificates={"h": 1.8e9}) == {("", "h"): 1.8e9}
