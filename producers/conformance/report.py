"""The report of the conformance kit: each rule, how often it was tried, and what was found."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from producers.conformance.rules import Finding, Judge, Rule, RuleResult
from producers.output import in_one_line
from producers.texts import get_text

_ON_ASKING = (Rule.VECTORS, Rule.DOOR)
"""Rules that an option or an address asks for, and no recording shows."""


class ConformanceReport(BaseModel):
    """The answer of `conformance`."""

    passed: bool
    """Whether no rule that was tried is broken."""
    rules: list[RuleResult]
    not_tried: list[Rule]
    """Rules of which the recordings tell nothing."""
    findings: list[Finding]
    not_met: list[str] = []
    """Steps of the door's scenario that no event met."""


def make_report(judge: Judge, not_met: list[str] | None = None) -> ConformanceReport:
    """The report of everything that *judge* has judged."""
    rules = [judge.results[rule] for rule in Rule if rule in judge.results]
    return ConformanceReport(
        passed=not any(rule.errors for rule in rules),
        rules=rules,
        not_tried=[rule for rule in Rule if rule not in judge.results],
        findings=judge.findings,
        not_met=not_met or [],
    )


def report_lines(report: ConformanceReport) -> Iterator[str]:
    """Report for a terminal: failures with their mends, rules that passed, rules not tried."""
    failed = [rule for rule in report.rules if rule.errors]
    noted = [rule for rule in report.rules if rule.warnings and not rule.errors]
    for heading, results in (("failed", failed), ("noted", noted)):
        for result in results:
            yield from _rule_lines(heading, result.rule, report.findings)
    passed = [f"{one.rule} {one.tried}" for one in report.rules if not (one.errors or one.warnings)]
    not_seen = [rule for rule in report.not_tried if rule not in _ON_ASKING]
    for name, listed in (("tried", passed), ("not_seen", not_seen), ("not_met", report.not_met)):
        if listed:
            yield f"{_in_one_line(name)}: {', '.join(listed)}"
    yield _in_one_line("passed" if report.passed else "broken")


def _rule_lines(heading: str, rule: Rule, findings: Sequence[Finding]) -> Iterator[str]:
    """A rule, what to do, and each finding with its request."""
    yield f"{_in_one_line(heading)}: {rule}: {in_one_line(*get_text('conformance_rule', rule))}"
    yield f"  {_in_one_line('do')}: {in_one_line(*get_text('conformance_do', rule))}"
    for found in findings:
        if found.rule == rule:
            level = f"{_in_one_line('warning')}: " if found.level == "warning" else ""
            text = in_one_line(found.message, found.message_vi)
            yield f"  {found.place}: {level}{found.field}: {text}"


def _in_one_line(name: str) -> str:
    return in_one_line(*get_text("conformance", name))
