"""The table of figures: what every reader of it may rely on."""

import re
from pathlib import Path

import pytest

from gemd.protocol.figures import ALL_FIGURES, ANSWERS, FIGURES, GATEWAYS, Kind
from gemd.protocol.status import DEFINED

EACH = pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
MANUAL = Path(__file__).parents[2] / "man/gemctl.8"


def test_names_and_headings_are_there_once():
    assert len({figure.name for figure in FIGURES}) == len({figure.heading for figure in FIGURES}) == len(FIGURES)


def test_a_metric_is_shared_only_by_states_of_the_same_thing():
    metrics = [(figure.metric, figure.state) for figure in FIGURES]
    assert len(set(metrics)) == len(metrics)
    for metric in {figure.metric for figure in FIGURES}:
        shared = {(f.kind, f.unit, f.text) for f in FIGURES if f.metric == metric}
        assert len(shared) == 1


@EACH
def test_what_openmetrics_asks_of_names(figure):
    assert re.fullmatch(r"gemd_[a-z_]+", figure.metric)
    assert not figure.metric.endswith("_total")  # which is added to counters
    assert not figure.unit or figure.metric.endswith(f"_{figure.unit}")
    assert figure.text.endswith(".")


@EACH
def test_totals_are_of_what_is_summed_up(figure):
    assert figure.is_summed or (figure.kind is Kind.GAUGE and not figure.total)


@EACH
def test_the_manual_page_explains_it(figure):
    text = MANUAL.read_text()
    suffix = "_total" if figure.kind is Kind.COUNTER else ""
    assert re.search(rf"^\.It .*\b{figure.metric}{suffix}\b", text, re.M)
    assert figure.total in text


def test_there_is_a_counter_for_each_status_of_each_kind_of_gateway():
    assert ANSWERS.keys() == {(kind, status) for kind in GATEWAYS for status in DEFINED}
    assert all(figure.kind is Kind.COUNTER and figure.is_summed for figure in ANSWERS.values())
    assert len({figure.name for figure in ALL_FIGURES}) == len(ALL_FIGURES)
    assert "gemd_gateway_answers_total{gateway=,status=}" in MANUAL.read_text()
