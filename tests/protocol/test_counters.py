import re
from pathlib import Path

from gemd.config.host_settings import AnswerKind
from gemd.protocol.counters import BOUNDS, CLASSES, EVENTS, RESPONDERS
from gemd.protocol.status import DEFINED

MANUAL = Path(__file__).parents[2] / "man/gemctl.8"


def test_every_key_that_says_what_answers_is_a_responder():
    assert ("none", *(kind.value for kind in AnswerKind), "people", "titan") == RESPONDERS


def test_every_status_has_a_class():
    assert {CLASSES[status // 10] for status in DEFINED} == set(CLASSES) - {"none"}
    assert CLASSES[0] == "none"


def test_bounds_grow():
    assert list(BOUNDS) == sorted(set(BOUNDS))


def test_names_are_those_of_metrics_and_no_two_are_the_same():
    for events in EVENTS:
        assert re.fullmatch(r"gemd_[a-z_]+[a-z]", events.metric)
        assert not events.metric.endswith("_total")
        assert re.fullmatch(r"[a-z]+", events.label)
        assert all(re.fullmatch(r"[a-z-]+", value) for value in events.values)
    assert len({events.name for events in EVENTS}) == len({events.metric for events in EVENTS}) == len(EVENTS)


def test_the_manual_page_explains_them():
    text = MANUAL.read_text()
    for events in EVENTS:
        entry = text.partition(f".It {events.metric}_total{{{events.label}=}}\n")[2].partition(".El\n")[0]
        said = dict(re.findall(r"^\.It (.*)\n(.*)$", entry, re.M))
        assert said == dict(events.values)
    assert all(responder in text for responder in RESPONDERS)
