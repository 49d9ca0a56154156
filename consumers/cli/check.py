"""`loa check`: does Loa keep its promises?"""

from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from channels.portal.writer.audit import FolderAudit
from consumers.app import instance
from consumers.app.settings import LoaSettings, load_deadlines, load_vocabulary, read_settings
from consumers.audit.anchor import Anchor
from consumers.audit.bus_state import Damage
from consumers.callbacks.check import CallbackRules
from consumers.channel_health.pauses import LegitimateWaits
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.check.findings import Findings, Skipped, Violation, load_rules
from consumers.check.replicas.damaged import find_damaged_replicas
from consumers.cli.output import EXIT_NEEDS_PERSON, Json, page, print_answer, run_on_bus
from consumers.cli.recovery import open_site_files
from consumers.cli.stores import compare_bus, find_ledger_cut, find_seals, open_registry
from consumers.cli.unit_keys import server_faults
from consumers.desk.index import INDEX_FILE
from consumers.desk.index.check import find_wrong_rows
from consumers.desk.reports.check import find_wrong_report_rows
from consumers.desk.reports.rows_file import ROWS_FILE, Rules
from consumers.directory.store import read_damage
from consumers.editorial.log import EditorialLog
from consumers.facts.all_sources import fact_sources
from consumers.facts.check import check_facts
from consumers.facts.public_figures_check import find_wrong_figures
from consumers.facts.store import FactStore
from consumers.key_file import KEY_FILE_FIELD
from consumers.messages import field_error, translate
from contracts.errors import FieldError
from producers.bus import Bus
from producers.output import print_bilingual, print_field_texts

Deep = Annotated[
    bool,
    typer.Option(
        "--deep", help="Also events, publications, every list of recipients, pages and feeds."
    ),
]
_NAMED_VIOLATIONS = 5


@page(Findings, {EXIT_NEEDS_PERSON: "a promise is broken"}, ("loa check --deep",))
def check(deep: Deep = False, as_json: Json = False) -> None:
    """Check that every promise is kept, and name each violation."""
    findings = run_on_bus(lambda bus: _run_check(bus, deep=deep))
    print_answer(findings, as_json, lambda: print_findings(findings))
    raise typer.Exit(0 if findings.ok else EXIT_NEEDS_PERSON)


async def _run_check(bus: Bus, *, deep: bool) -> Findings:
    """Compare the bus with the anchor, then apply every rule, unless a stream is missing."""
    settings = read_settings(LoaSettings)
    anchor = await compare_bus(bus)
    damages = anchor.damages
    violations = [_as_violation(_rule_of(damage), damage.field_error) for damage in damages]
    if any(damage.is_of_missing_stream for damage in damages):
        return Findings(ok=False, violations=violations)
    faults = await server_faults(open_registry(bus))
    violations += [_as_violation("bus-key-served", fault) for fault in faults]
    context = CheckContext(
        bus,
        deep=deep,
        excuses=lambda: LegitimateWaits(bus).may_wait,
        running_since=_started_at(settings),
        seals=await find_seals(bus),
        ledger_cut=await find_ledger_cut(bus),
    )
    is_here = not settings.nats_url  # Loa with a bus of its own has its portal here, too
    audit = FolderAudit(settings.portal_dir, await open_site_files(settings), is_here=is_here)
    checker = Checker(context, audit)
    checker.skipped += _skipped(context, anchor)
    findings = await checker.run()
    await _add_callbacks(context, findings)
    if deep:
        violations += await _deep_violations(settings, checker, audit)
    findings.violations = [*violations, *findings.violations]
    findings.ok = not findings.violations
    return findings


async def _add_callbacks(context: CheckContext, findings: Findings) -> None:
    """Add the facts that units are told late, and the endpoints that are called no more."""
    rules = CallbackRules(context)
    findings.violations += await rules.violations()
    findings.warnings += await rules.warnings()


async def _deep_violations(
    settings: LoaSettings, checker: Checker, audit: FolderAudit
) -> list[Violation]:
    """Faults of the cluster's replicas, of copies, facts and figures: causes come first."""
    context = checker.context
    damaged = find_damaged_replicas(context.bus, context.recheck_after_s)
    violations = [violation async for violation in damaged]
    violations += await _wrong_copies(settings, checker)
    violations += await _wrong_facts(context)
    return violations + await find_wrong_figures(context, audit)


async def _wrong_copies(settings: LoaSettings, checker: Checker) -> list[Violation]:
    """Problems of this machine's copies of the bus, except the portal."""
    path, index = settings.directory_path, settings.desk_dir / INDEX_FILE
    damage = read_damage(path)
    found = [Violation(rule="directory-damaged", key=str(path), detail=damage)] if damage else []
    deadlines, bus = load_deadlines(settings), checker.context.bus
    found += await find_wrong_rows(bus, index, deadlines, checker.acts)
    rules = Rules(load_vocabulary(settings).bulletins, deadlines)
    rows = settings.desk_dir / ROWS_FILE
    return found + await find_wrong_report_rows(FactStore(bus), rows, rules)


async def _wrong_facts(context: CheckContext) -> list[Violation]:
    """Numbers for reports that say something else than what they come from."""
    store, log = FactStore(context.bus), EditorialLog(context.bus)
    sources = fact_sources(store, log, context.clock, context.seals)
    return [one async for one in check_facts(store, sources)]


def _skipped(context: CheckContext, anchor: Anchor) -> Iterator[Skipped]:
    """Checks that need the key of this data, or a bus that can store, where that is missing."""
    if context.seals is None:
        yield Skipped(what="seals", why="vault.key of this data is not here")
    if anchor.unjudged:
        yield Skipped(what="bus-damaged", why=anchor.unjudged)


def _rule_of(damage: Damage) -> str:
    return "key-wrong" if damage.stream == KEY_FILE_FIELD else "bus-damaged"


def _as_violation(rule: str, text: FieldError) -> Violation:
    return Violation(rule=rule, key=text.field, detail=f"{text.message} / {text.message_vi}")


def _started_at(settings: LoaSettings) -> float:
    """The start of this folder's Loa; waiting work may be older."""
    running = instance.announced_instance(settings)
    return running.started if running else 0.0


def print_findings(findings: Findings) -> None:
    """Print for each broken rule the number, the meaning, the first places and the remedy."""
    by_rule: dict[str, list[Violation]] = {}  # in the order of discovery: causes come first
    for violation in (*findings.violations, *findings.warnings):
        by_rule.setdefault(violation.rule, []).append(violation)
    for name, violations in by_rule.items():
        _print_rule(name, violations)
    if findings.ok:
        print_field_texts(field_error("ok", "check_limited" if findings.skipped else "check_whole"))
    print_bilingual(*_counted("looked at", "đã kiểm tra", findings.checked))
    for skipped in findings.skipped:
        why = translate(skipped.why)
        print_bilingual(
            f"not looked at: {skipped.what}: {why.en}", f"chưa kiểm tra: {skipped.what}: {why.vi}"
        )


def _counted(en: str, vi: str, counts: Mapping[str, int]) -> tuple[str, str]:
    """Each action with the number of records that it met, in both languages."""
    named = [(count, translate(records)) for records, count in counts.items()]
    return (
        f"{en}: {', '.join(f'{count} {word.en}' for count, word in named) or 'nothing'}",
        f"{vi}: {', '.join(f'{count} {word.vi}' for count, word in named) or 'chưa có gì'}",
    )


def _print_rule(name: str, violations: list[Violation]) -> None:
    rule, count = load_rules()[name], len(violations)
    print_bilingual(f"{name} ({count}): {rule.means}", f"{name} ({count}): {rule.means_vi}")
    for violation in violations[:_NAMED_VIOLATIONS]:
        typer.echo(f"  {violation.key}: {violation.detail}")
    if more := len(violations[_NAMED_VIOLATIONS:]):
        print_bilingual(
            f"  … and {more} more (--json has all)", f"  … và {more} chỗ nữa (--json có đủ)"
        )
    print_bilingual(f"  now: {rule.do}", f"  việc cần làm: {rule.do_vi}")
    typer.echo()
