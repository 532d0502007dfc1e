"""The dashboard and the alerts in etc/prometheus: what they ask for is there in what a running server tells."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from .conftest import wait_for

FOLDER = Path(__file__).parents[2] / "etc/prometheus"
DASHBOARD = json.loads((FOLDER / "gemd-dashboard.json").read_text())
RULES = yaml.safe_load((FOLDER / "gemd-alerts.yml").read_text())["groups"]
CONF = 'workers = 2\ncontrol = "{tmp}/control.sock"\n[[host]]\nname = "localhost"\nroot = "{root}"\n'

ADDED = {"instance", "job"}  # labels that a collector adds
SELECTOR = re.compile(r"\b(gemd_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")
LEGEND = re.compile(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")


def targets():
    """The queries of the dashboard, each with its panel and legend."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield pytest.param(target["expr"], target["legendFormat"], id=f"{panel['id']} {target['refId']}")


def rules():
    """Those of the alerts, with all that is said of them."""
    for group in RULES:
        for rule in group["rules"]:
            yield pytest.param(rule["expr"], " ".join(rule["annotations"].values()), id=rule["alert"])


@pytest.fixture(scope="module")
def told():
    """What one server has told to all tests, once one of them has started it."""
    return {}


@pytest.fixture
def exposition(told, configure, tmp_path):
    """The metrics as text."""
    if not told:
        daemon = configure(CONF)
        assert daemon.ask("/").status == 20
        command = [sys.executable, "-m", "gemd.gemctl", "-s", str(tmp_path / "control.sock"), "status", "--prometheus"]

        def read():
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            return text if "\ngemd_requests_total 1\n" in text else None

        told["text"] = wait_for(read, "the request to be counted")
    return told["text"]


@pytest.fixture
def samples(exposition):
    """The labels of each sample, by its name."""
    found = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def find_faults(expression, said, samples):
    """What the query asks for, or the text shows, that no sample has."""
    selectors = SELECTOR.findall(expression)
    labels = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
    for name, matchers in selectors:
        if name not in samples:
            yield f"no metric {name}"
            continue
        known = {label for sample in samples[name] for label in sample} | ADDED
        for label, operator, value in MATCHER.findall(matchers):
            if label not in known:
                yield f"{name} has no label {label}"
            elif operator == "=" and value not in {sample.get(label) for sample in samples[name]}:
                yield f"{name} has no {label} {value}"
        yield from (f"{name} has no label {label} to group by" for label in labels - known)
    shown = labels or {label for name, _ in selectors for sample in samples.get(name, ()) for label in sample} | ADDED
    yield from (f"{label} is not in the result" for label in LEGEND.findall(said) if label not in shown)


@pytest.mark.parametrize(("expression", "legend"), list(targets()))
def test_what_a_panel_asks_for_is_there(expression, legend, samples):
    assert list(find_faults(expression, legend, samples)) == []


@pytest.mark.parametrize(("expression", "said"), list(rules()))
def test_what_an_alert_asks_for_is_there(expression, said, samples):
    assert list(find_faults(expression, said, samples)) == []


def test_variables_of_the_dashboard_are_labels(samples):
    queries = [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    found = [re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups() for query in queries]
    assert all(label in ADDED or any(label in sample for sample in samples[name]) for name, label in found)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("rate(gemd_moons_total[5m])", ""),
        ('gemd_responses_total{moon="full"}', ""),
        ('gemd_responses_total{class="9x"}', ""),
        ("sum by (moon) (gemd_responses_total)", ""),
        ("sum by (class) (gemd_responses_total)", "{{host}}"),
        ("gemd_slots", "{{ $labels.moon }}"),
    ],
)
def test_what_is_wrong_is_found(expression, said):
    samples = {"gemd_responses_total": [{"host": "h", "class": "2x"}], "gemd_slots": [{}]}
    assert list(find_faults(expression, said, samples))


def test_panels_are_there_once_and_beside_each_other():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells


class TestPrometheus:
    """What its own tool says."""

    @pytest.fixture
    def promtool(self, need_program):
        def run(*arguments, **options):
            command = [need_program("promtool"), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
            return done.returncode, done.stdout + done.stderr

        return run

    def test_takes_the_rules(self, promtool):
        code, said = promtool("check", "rules", FOLDER / "gemd-alerts.yml")
        assert code == 0, said

    def test_understands_every_query_of_the_dashboard(self, promtool, tmp_path):
        queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
        plain = [query.replace("$__rate_interval", "5m").replace("$host", ".*") for query in queries]
        rules = [{"record": f"query:{nr}", "expr": query} for nr, query in enumerate(plain)]
        path = tmp_path / "queries.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        code, said = promtool("check", "rules", path)
        assert code == 0, said
        path.write_text(yaml.safe_dump({"groups": [{"name": "wrong", "rules": [{"record": "x", "expr": "sum by ("}]}]}))
        assert promtool("check", "rules", path)[0] != 0

    def test_minds_no_name_type_or_text(self, promtool, exposition):
        assert promtool("check", "metrics", input=exposition) == (0, "")


def test_each_alert_has_a_name_of_its_own():
    assert len({rule["alert"] for group in RULES for rule in group["rules"]}) == sum(
        len(group["rules"]) for group in RULES
    )
