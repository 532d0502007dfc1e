"""The table as a whole."""

import re

from gemd.gemctl.check import chains, command, crawl, elsewhere, pages
from gemd.gemctl.check.finding import Rule
from gemd.gemctl.check.probe import run_probe
from gemd.gemctl.check.table import CLOSELY, ELSEWHERE
from tests.packaging.installing import PROJECT

# The headings of the specification (0.24.1) that rules go by.
SECTIONS = (
    "Overview|Requests|Responses|Status codes|Success|Redirection|Client certificates"
    "|TLS server certificate validation|Server Name Indication|Closing connections"
)


def test_names_are_there_once_and_whole():
    rules = [one.rule for one in (*CLOSELY, *ELSEWHERE)]
    assert len({rule.name for rule in rules}) == len(rules) > 35
    for rule in rules:
        assert all((rule.name, rule.expected, rule.section, rule.advice))
        assert rule.name == rule.name.lower()
        assert " " not in rule.name


def every_rule():
    modules = (chains, command, crawl, elsewhere, pages)
    of_pages = [rule for module in modules for rule in vars(module).values() if isinstance(rule, Rule)]
    return [*(one.rule for one in (*CLOSELY, *ELSEWHERE)), *of_pages]


def test_the_manual_names_each():
    words = set((PROJECT / "man/gemctl.8").read_text().split())
    assert {rule.name for rule in every_rule()} - {"limit", "outer-limit"} - words == set()


def test_each_goes_by_a_section_that_is_there():
    form = (
        rf'specification 0\.24\.1, "(?:{SECTIONS})"'
        r'|gemtext specification 0\.24\.1(?:, "[A-Z][a-z ]+")?|RFC [0-9]+, [0-9.]+'
    )
    assert [rule for rule in every_rule() if rule.section and not re.fullmatch(form, rule.section)] == []


def test_a_server_that_is_right_has_no_fault(checked):
    visitor = checked(patience=3.0).visitor()
    assert [finding for one in CLOSELY if (finding := run_probe(one, visitor)) is not None] == []
