"""The report of the conformance kit: each rule, how often it was tried, and what was found."""

from collections.abc import Iterator

from pydantic import BaseModel

from producers.conformance.rules import Finding, Judge, Rule, RuleResult
from producers.output import in_one_line, in_reading_order
from producers.texts import get_text


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
    """The report as a person reads it."""
    for found in report.findings:
        level = in_one_line(*get_text("conformance", found.level))
        yield f"{found.place}: {level}: {found.field} ({found.rule})"
        yield from (f"  {line}" for line in in_reading_order(found.message, found.message_vi))
    for result in report.rules:
        counts = {"tried": result.tried, "errors": result.errors, "warnings": result.warnings}
        yield _rule_line(result.rule, in_one_line(*get_text("conformance", "counts", **counts)))
    for rule in report.not_tried:
        yield _rule_line(rule, in_one_line(*get_text("conformance", "not_tried")))
    for step in report.not_met:
        yield in_one_line(*get_text("conformance", "not_met", step=step))
    yield in_one_line(*get_text("conformance", "passed" if report.passed else "broken"))


def _rule_line(rule: Rule, says: str) -> str:
    text = in_one_line(*get_text("conformance_rule", rule))
    return f"{rule:<12} {says}\n             {text}"
