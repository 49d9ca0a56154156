"""`loa check`: does Loa keep its promises?"""

import time
from itertools import groupby
from typing import Annotated

import typer

from channels.portal.writer.audit import FolderAudit
from consumers.app import instance
from consumers.app.settings import LoaSettings, read_settings
from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.check.findings import Findings, Violation, load_rules
from consumers.cli.output import Json, print_answer, run_on_bus
from consumers.cli.recovery import open_site_files
from producers.bus import Bus

Deep = Annotated[
    bool,
    typer.Option(
        "--deep", help="Also events, publications, every list of recipients, pages and feeds."
    ),
]
_NAMED_VIOLATIONS = 5
_PROGRESS_AFTER_S = 2.0
"""A check that ends sooner says nothing of its progress."""


def check(deep: Deep = False, as_json: Json = False) -> None:
    """Are all promises kept? Exit code 1: no, and each violation is named."""
    findings = run_on_bus(lambda bus: _run_check(bus, deep=deep))
    print_answer(findings, as_json, lambda: print_findings(findings))
    raise typer.Exit(0 if findings.ok else 1)


async def _run_check(bus: Bus, *, deep: bool) -> Findings:
    settings = read_settings(LoaSettings)
    context = CheckContext(
        bus,
        deep=deep,
        excuses=lambda: LegitimateWaits(bus).may_wait,
        running_since=_started_at(settings),
        report_progress=CheckProgress().report,
    )
    audit = FolderAudit(settings.portal_dir, await open_site_files(settings))
    return await Checker(context, audit).run()


def _started_at(settings: LoaSettings) -> float:
    """When this folder's Loa started: waiting work may be older."""
    path = instance.ready_file(settings)
    return path.stat().st_mtime if path.exists() else 0.0


class CheckProgress:
    """Prints the progress of a long check on stderr."""

    def __init__(self) -> None:
        self.reported_at = time.monotonic()

    def report(self, what: str, count: int) -> None:
        if time.monotonic() > self.reported_at + _PROGRESS_AFTER_S:
            self.reported_at = time.monotonic()
            typer.echo(f"… {count} {what}", err=True)


def print_findings(findings: Findings) -> None:
    """For people: per rule how often, what it means, where first, what to do."""
    ordered = sorted(findings.violations, key=lambda one: one.rule)
    for rule, found in groupby(ordered, lambda one: one.rule):
        _print_rule(rule, list(found))
    if findings.ok:
        typer.echo("ok: every promise is kept")
    looked = ", ".join(f"{count} {what}" for what, count in findings.checked.items())
    typer.echo(f"looked at: {looked}")
    for one in findings.skipped:
        typer.echo(f"not looked at: {one.what}: {one.why}")


def _print_rule(rule: str, found: list[Violation]) -> None:
    said = load_rules()[rule]
    typer.echo(f"{rule}: {len(found)}. {said.means}")
    for one in found[:_NAMED_VIOLATIONS]:
        typer.echo(f"  {one.key}: {one.detail}")
    if len(found) > _NAMED_VIOLATIONS:
        typer.echo(f"  … and {len(found) - _NAMED_VIOLATIONS} more (--json has all)")
    typer.echo(f"  now: {said.do}\n")
