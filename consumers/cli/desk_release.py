"""`loa desk dry-run`, `test-send`: whom an item would reach; its mail to one's own address."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from pydantic import BaseModel

from channels.zalo.settings import ZaloSettings
from consumers.app.settings import (
    LettersSettings,
    LoaSettings,
    load_vocabulary,
    load_working_days,
    read_settings,
)
from consumers.case_notices.recipients import CaseNotices
from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.authorization import Staff
from consumers.cli.background import in_background
from consumers.cli.stores import open_keys, open_seals
from consumers.desk.access import ItemAccess, TerminalAccess
from consumers.desk.release.dry_run import DryRunner, MailReaders, ReleaseFacts, ReleaseTables
from consumers.desk.release.prices import load_prices
from consumers.desk.release.trial_mail import TrialMails
from consumers.directory.directory import Directory
from consumers.key_file import KeyFile, seal_people
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.seals.records import TakenOverUntil
from consumers.staff.authorization import ReadingRight
from consumers.staff.mail.addresses import StaffAddresses
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.transactional import TransactionalMailer
from consumers.suppression.cache import SuppressionCache
from consumers.suppression.store import SuppressionStore
from contracts.catalog import load_texts
from contracts.desk.previews import Wanted
from contracts.desk.reach import Cost, Departure, ReleaseDryRun, Timing
from contracts.text.moments import format_for_people
from producers.bus import Bus

ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[
    int | None, typer.Option(help="Which revision; else the newest that is written or out.")
]
_PATIENCE_S = 120.0
_PAUSE_S = 0.2
_TEST_SPAN_S = 60
_TEXTS = Path(__file__).with_name("dry_run.toml")
_BEFORE = ("readers", "other_choices", "daily", "weekly", "matching", "earlier")
_PLANNED = ("planned", "paused", "left")
_LEFT_OUT_IF_ZERO = ("earlier", "left")
_DELAYS = {"paused": "why_paused"}
"""Texts of delays whose code is that of another line."""


@output.page(ReleaseDryRun, examples=("loa desk dry-run tb-15", "loa desk dry-run tb-15 --json"))
def dry_run(
    content_id: ContentId, revision: Revision = None, by: By = "", as_json: output.Json = False
) -> None:
    """Say whom an item would reach if it were approved now, when, and at what cost; send nothing.

    The lines of a channel add up. Where this machine has no copy of the readers, one is made for
    the time of the command.
    """
    wanted = Wanted("", content_id, revision)
    run = output.run_on_bus(partial(_dry_run, wanted=wanted, by=by))
    output.print_answer(run, as_json, lambda: _print_run(run))


async def _dry_run(bus: Bus, wanted: Wanted, by: str) -> ReleaseDryRun:
    right = await look(bus, "desk.read", wanted.content_id, by)
    with TemporaryDirectory(prefix="loa-") as spare:
        async with _open_dry_runs(bus, right, Path(spare)) as runs:
            return await _counted(runs, wanted)


async def _counted(runs: DryRunner, wanted: Wanted) -> ReleaseDryRun:
    """The dry run with the readers counted, if that is done in time."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        run = await runs.dry_run(wanted)
        if run.mail or not run.has_mail or time.monotonic() >= until:
            return run
        await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def _open_dry_runs(bus: Bus, right: ReadingRight, spare: Path) -> AsyncIterator[DryRunner]:
    """Dry runs with the copies that they read, which are kept fresh meanwhile."""
    settings, keys = read_settings(LoaSettings), await open_keys(bus)
    seal_people(bus, keys)
    readers = _open_readers(bus, keys, settings, spare)
    days, prices = load_working_days(settings), load_prices(settings.prices_file)
    tables = ReleaseTables(days, prices, load_vocabulary(settings))
    facts = ReleaseFacts(read_settings(ZaloSettings), tables)
    with closing(readers.directory):
        async with in_background(readers.directory.run, readers.suppressions.run):
            yield DryRunner.open(bus, time.time, TerminalAccess(right), readers, facts)


def _open_readers(bus: Bus, keys: KeyFile, settings: LoaSettings, spare: Path) -> MailReaders:
    own, until = settings.directory_path, TakenOverUntil.by(partial(open_seals, bus)).records
    path = own if own.is_file() else spare / own.name
    addresses = SuppressionStore.from_key_file(bus, keys)
    return MailReaders(
        Directory(bus, path, time.time, until),
        SuppressionCache(bus, addresses.hash_address_bytes, time.time),
    )


class TestSendAnswer(BaseModel):
    """The answer of `test-send`."""

    __test__ = False
    content_id: str
    sent: bool = True


@output.page(TestSendAnswer, examples=("loa desk test-send tb-15",))
def test_send(
    content_id: ContentId, revision: Revision = None, as_json: output.Json = False
) -> None:
    """Send an item's mail, marked as a test, to the address of your own account.

    Again within a minute it sends no second mail.
    """
    wanted = Wanted("", content_id, revision)
    output.act_on_bus(partial(_send, wanted=wanted))
    answer = TestSendAnswer(content_id=content_id)
    text = field_error(content_id, "test_sent")
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


async def _send(bus: Bus, wanted: Wanted) -> None:
    staff = Staff.open(bus)
    signed_in = await staff.require_signed_in()
    staff.rules.require_second_factor(signed_in)
    trials = _open_trials(bus, staff, await open_keys(bus))
    await trials.send(wanted._replace(account=signed_in.account.id), f"terminal.{_minute()}")


def _minute() -> int:
    """The number of the present minute: a mail is sent once in it."""
    return int(time.time() // _TEST_SPAN_S)


def _open_trials(bus: Bus, staff: Staff, keys: KeyFile) -> TrialMails:
    seal_people(bus, keys)
    mailer = TransactionalMailer(
        bus,
        CaseNotices(bus, Ledger(bus), Waker(bus)),
        SubscriberStore.from_key_file(bus, keys),
        time.time,
        HourlyMailQuota(bus, read_settings(LettersSettings).per_hour),
    )
    access = ItemAccess(staff.accounts, staff.policy)
    return TrialMails(bus, time.time, access, StaffAddresses(keys.derive), mailer)


def _text(code: str, **values: object) -> str:
    """A line in both languages."""
    texts = load_texts(_TEXTS)[code]
    return output.in_one_line(texts["en"].format(**values), texts["vi"].format(**values))


def _print_run(run: ReleaseDryRun) -> None:
    typer.echo(f"{run.content_id}, revision {run.revision}: {output.visible(run.title)}")
    typer.echo(_text("released" if run.state == "released" else "run"))
    if run.is_internal:
        typer.echo(_text("internal"))
    else:
        _print_reach(run)
    typer.echo(_text("two_approvers" if run.needs_second else "one_approver", reach=run.reach))


def _print_reach(run: ReleaseDryRun) -> None:
    """Whom a release reaches, when, and what it costs."""
    if run.has_mail and run.mail is None:
        typer.echo(_text("uncounted"))
    output.print_table(("reach", "count"), [*_mail_rows(run), *_zalo_rows(run)])
    output.print_table(("step", "earliest", "why"), map(_departure_row, run.timing.departures))
    for line in _warnings(run.timing):
        typer.echo(line)
    output.print_table(("step", "each, VND", "total, VND", "source"), map(_cost_row, run.costs))


def _mail_rows(run: ReleaseDryRun) -> Iterator[tuple[str, int]]:
    mail = run.mail if run.has_mail else None
    if mail is None:
        return
    for name in (*_BEFORE, *_PLANNED):
        count: int = getattr(mail, name)
        if count or name not in _LEFT_OUT_IF_ZERO:
            yield _text(name), count
    for reason, count in mail.suppressed.items():
        yield _text("suppressed", reason=reason), count
    yield _text("sent"), mail.sent


def _zalo_rows(run: ReleaseDryRun) -> Iterator[tuple[str, object]]:
    if not run.zalo.rows:
        return
    yield _text("followers"), run.zalo.followers
    for quota in run.zalo.quotas:
        left = "?" if quota.left is None else quota.left
        yield _text(f"quota_{quota.name}"), _text("used", used=quota.used, left=left)
    left_by_zalo = run.zalo.broadcasts_left
    yield _text("zalo_says"), _text("unknown") if left_by_zalo is None else left_by_zalo


def _departure_row(one: Departure) -> tuple[str, object, str]:
    codes = filter(None, (*one.why, one.note))
    reasons = "; ".join(_text(_DELAYS.get(code, code)) for code in codes)
    return _text(one.step), one.at if one.why else _text("at_once"), reasons


def _cost_row(one: Cost) -> tuple[str, ...]:
    return (_text(one.step), _price(one.each), _price(one.total), one.source)


def _price(price: int | None) -> str:
    if price is None:
        return _text("unknown")
    return f"{price:,}" if price else _text("free")


def _warnings(timing: Timing) -> Iterator[str]:
    if timing.outside:
        better = format_for_people(timing.better) if timing.better else "?"
        yield _text(f"outside_{timing.outside}", better=better)
    if not timing.is_known_year:
        yield _text("unknown_year")
