import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from gemd.gemctl.family import Family, TextFormat
from gemd.gemctl.status import parse_status

STATUS = parse_status({"version": "1", "pid": 1, "state": "serving"})
AWKWARD = 'a\\b"c\nd\\n'
COUNTER = Family("gemd_things", "counter", "Things that were.", "", lambda _: [("", {"kind": AWKWARD}, 3)])
GAUGE = Family("gemd_size_bytes", "gauge", "How large it is.", "bytes", lambda _: [("", {}, 1.5)])
HISTOGRAM = Family(
    "gemd_time_seconds",
    "histogram",
    "How long it took.",
    "seconds",
    lambda _: [
        ("_bucket", {"le": "0.1"}, 1),
        ("_bucket", {"le": "+Inf"}, 2),
        ("_sum", {}, 0.7),
        ("_count", {}, 2),
    ],
)


def render(family, text_format):
    return "".join(line + "\n" for line in family.render(STATUS, text_format))


def read(family, text_format):
    """The family as a collector reads it."""
    if text_format is TextFormat.OPENMETRICS:
        (found,) = parse_openmetrics(render(family, text_format) + "# EOF\n")
    else:
        (found,) = parse_prometheus(render(family, text_format))
    return found


@pytest.mark.parametrize("text_format", TextFormat)
@pytest.mark.parametrize("family", [COUNTER, GAUGE, HISTOGRAM], ids=lambda family: family.kind)
def test_a_collector_reads_what_was_meant(family, text_format):
    found = read(family, text_format)
    assert (found.name, found.type, found.documentation) == (family.name, family.kind, family.text)
    assert found.unit == (family.unit if text_format is TextFormat.OPENMETRICS else "")
    total = "_total" if family.kind == "counter" else ""
    assert [(s.name, s.labels, s.value) for s in found.samples] == [
        (family.name + suffix + total, labels, value) for suffix, labels, value in family.samples(STATUS)
    ]


def test_the_older_format_names_a_counter_as_its_samples():
    assert "# TYPE gemd_things_total counter\n" in render(COUNTER, TextFormat.PROMETHEUS)
    assert "# TYPE gemd_things counter\n" in render(COUNTER, TextFormat.OPENMETRICS)
    assert "# UNIT gemd_size_bytes bytes\n" in render(GAUGE, TextFormat.OPENMETRICS)
    assert "UNIT" not in render(GAUGE, TextFormat.PROMETHEUS)
