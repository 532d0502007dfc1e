import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as parse_older_text

from gemd.gemctl.family import TextFormat
from gemd.gemctl.metrics import MASTER_STATES, WORKER_STATES, render_metrics
from gemd.gemctl.status import parse_status
from gemd.master.succession import Role
from gemd.master.workers import State

from .conftest import STATUS


def read(status):
    """Every sample, by its name and labels, as a collector reads it; also that there are no two of the same."""
    families = list(text_string_to_metric_families(render_metrics(parse_status(status), TextFormat.OPENMETRICS)))
    assert all(family.name.startswith("gemd_") and family.documentation.endswith(".") for family in families)
    samples = [((s.name, *s.labels.items()), s.value) for family in families for s in family.samples]
    assert len(dict(samples)) == len(samples)
    return dict(samples)


EXPECTED = {
    "gemd_requests_total": 1_234_567,
    "gemd_response_bytes_total": 5_368_709_120,
    "gemd_log_lines_dropped_total": 1,
    "gemd_connections_refused_total": 12,
    "gemd_worker_deaths_total": 2,
    "gemd_reloads_total": 2,
    "gemd_reload_failures_total": 1,
    "gemd_generation": 3,
    "gemd_slots": 2,
    "gemd_serving_workers": 1,
    "gemd_uptime_seconds": 273_600,
    "gemd_memory_bytes": 41_000_000,
    "gemd_master_open_descriptors": 17,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_figure_of_the_master(name):
    assert read(STATUS)[(name,)] == EXPECTED[name]


def test_labels():
    samples = read(STATUS)
    assert samples["gemd_build_info", ("version", "0.2.0")] == 1
    states = ("starting", "serving", "leaving", "draining")
    assert [samples["gemd_workers", ("state", state)] for state in states] == [1, 1, 0, 1]
    assert [samples["gemd_state", ("state", state)] for state in ("serving", "reloading")] == [1, 0]


def test_two_workers_in_one_slot_are_added_up():
    samples = read(STATUS)
    assert samples["gemd_busy_threads", ("worker", "1")] == 3
    assert samples["gemd_connections", ("worker", "1"), ("state", "reading")] == 4
    assert samples["gemd_connections", ("worker", "1"), ("state", "writing")] == 6
    assert samples["gemd_connections", ("worker", "2"), ("state", "lingering")] == 0
    assert samples["gemd_worker_memory_bytes", ("worker", "1")] == 25_000_000
    assert samples["gemd_worker_private_bytes", ("worker", "1")] == 2_300_000
    assert samples["gemd_open_descriptors", ("worker", "1")] == 1_030


def test_without_workers_and_before_the_figures_are_known():
    samples = read({**STATUS, "workers": [], "memory": 0, "descriptors": 0})
    unknown = {"gemd_connections", "gemd_memory_bytes", "gemd_open_descriptors", "gemd_master_open_descriptors"}
    assert not {name for name, *_ in samples} & unknown
    assert samples["gemd_workers", ("state", "serving")] == 0


def test_states_and_versions_that_are_not_known_yet():
    samples = read({**STATUS, "state": "asleep", "version": 'a"b\\n\n', "workers": [{"nr": 1, "pid": 2, "state": "x"}]})
    assert samples["gemd_state", ("state", "asleep")] == 1
    assert samples["gemd_workers", ("state", "x")] == 1
    assert samples["gemd_build_info", ("version", 'a"b\\n\n')] == 1


def test_every_state_is_known():
    assert set(WORKER_STATES) == {state.value for state in State}
    assert set(MASTER_STATES) == {role.value for role in Role} | {"reloading"}


def test_it_ends_as_the_specification_has_it():
    assert render_metrics(parse_status(STATUS), TextFormat.OPENMETRICS).endswith("\n# EOF\n")


def test_both_formats_have_the_same_samples_and_types():
    families = {
        family.name: (family.type, family.documentation, [(s.name, s.labels, s.value) for s in family.samples])
        for family in text_string_to_metric_families(render_metrics(parse_status(STATUS), TextFormat.OPENMETRICS))
    }
    older = {
        family.name: (family.type, family.documentation, [(s.name, s.labels, s.value) for s in family.samples])
        for family in parse_older_text(render_metrics(parse_status(STATUS), TextFormat.PROMETHEUS))
    }
    assert older == families
    assert {kind for kind, _, _ in older.values()} == {"counter", "gauge", "histogram"}


def test_the_older_format_has_nothing_that_its_readers_do_not_know():
    text = render_metrics(parse_status(STATUS), TextFormat.PROMETHEUS)
    assert "# EOF" not in text
    assert "# UNIT" not in text
    assert "# TYPE gemd_requests_total counter\n" in text


def test_answers_of_gateways_are_there_once_they_were_given():
    samples = read({**STATUS, "fastcgi_20": 7, "gemini_43": 2})
    found = {key[1:]: value for key, value in samples.items() if key[0] == "gemd_gateway_answers_total"}
    assert found == {
        (("gateway", "fastcgi"), ("status", "20")): 7,
        (("gateway", "gemini"), ("status", "43")): 2,
    }
