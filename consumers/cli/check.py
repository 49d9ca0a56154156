"""`loa check`: does Loa keep its promises?"""

import time
from itertools import groupby
from typing import Annotated

import typer

from channels.portal.audit import Audit
from channels.portal.press import Press
from channels.portal.settings import PortalSettings
from consumers.app import running
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.check import Check, Findings, Violation, rules
from consumers.cli.answers import Json, on_bus, print_json
from consumers.cli.upkeep import public_url
from consumers.traffic import Traffic
from producers.bus import Bus

Deep = Annotated[
    bool,
    typer.Option(
        "--deep", help="Also events, publications, every list of recipients, pages and feeds."
    ),
]
FIRST = 5
QUIET_S = 2.0
"""A check that ends sooner says nothing of its progress."""


def check(deep: Deep = False, as_json: Json = False) -> None:
    """Are all promises kept? Exit code 1: no, and each violation is named."""
    findings = on_bus(lambda bus: look(bus, deep=deep))
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    raise typer.Exit(0 if findings.ok else 1)


async def look(bus: Bus, *, deep: bool) -> Findings:
    settings = read(LoaSettings)
    press = Press(read(PortalSettings).site(await public_url(settings), vocabulary(settings)))
    return await Check(
        bus,
        deep,
        busy=lambda: Traffic(bus).explains,
        audit=Audit(settings.portal_dir, press),
        since=started(settings),
        tell=Progress().tell,
    ).run()


def started(settings: LoaSettings) -> float:
    """When the Loa of this folder came up: what waits may be older than whoever works on it."""
    path = running.ready_file(settings)
    return path.stat().st_mtime if path.exists() else 0.0


class Progress:
    """Tells on stderr how far a long check has come."""

    def __init__(self) -> None:
        self.told = time.monotonic()

    def tell(self, what: str, count: int) -> None:
        if time.monotonic() > self.told + QUIET_S:
            self.told = time.monotonic()
            typer.echo(f"… {count} {what}", err=True)


def print_findings(findings: Findings) -> None:
    """For people: per rule how often, what it means, where first, what to do."""
    ordered = sorted(findings.violations, key=lambda one: one.rule)
    for rule, found in groupby(ordered, lambda one: one.rule):
        print_rule(rule, list(found))
    if findings.ok:
        typer.echo("ok: every promise is kept")
    looked = ", ".join(f"{count} {what}" for what, count in findings.checked.items())
    typer.echo(f"looked at: {looked}")
    for one in findings.skipped:
        typer.echo(f"not looked at: {one.what}: {one.why}")


def print_rule(rule: str, found: list[Violation]) -> None:
    said = rules()[rule]
    typer.echo(f"{rule}: {len(found)}. {said.means}")
    for one in found[:FIRST]:
        typer.echo(f"  {one.key}: {one.detail}")
    if len(found) > FIRST:
        typer.echo(f"  … and {len(found) - FIRST} more (--json has all)")
    typer.echo(f"  now: {said.do}\n")
