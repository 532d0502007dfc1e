"""The table as a whole."""

from gemd.gemctl.check import chains, crawl, elsewhere, pages
from gemd.gemctl.check.finding import Rule
from gemd.gemctl.check.probe import run_probe
from gemd.gemctl.check.table import CLOSELY, ELSEWHERE
from tests.packaging.installing import PROJECT


def test_names_are_there_once_and_whole():
    rules = [one.rule for one in (*CLOSELY, *ELSEWHERE)]
    assert len({rule.name for rule in rules}) == len(rules) > 35
    for rule in rules:
        assert all((rule.name, rule.expected, rule.section, rule.advice))
        assert rule.name == rule.name.lower()
        assert " " not in rule.name


def test_the_manual_names_each():
    manual = (PROJECT / "man/gemctl.8").read_text()
    rules = [one.rule for one in (*CLOSELY, *ELSEWHERE)]
    rules += [
        rule for module in (chains, crawl, elsewhere, pages) for rule in vars(module).values() if isinstance(rule, Rule)
    ]
    words = set(manual.split())
    assert {rule.name for rule in rules} - {"limit", "outer-limit"} - words == set()


def test_a_server_that_is_right_has_no_fault(checked):
    visitor = checked().visitor()
    assert [finding for one in CLOSELY if (finding := run_probe(one, visitor)) is not None] == []
