"""`loa subscribers`: import, show and erase subscribers."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer
from pydantic import BaseModel

from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.case_notices.erasure import erase_from_notices
from consumers.cli import stores, subscriber_lists
from consumers.cli.acts import By, Command, perform, record, run_audited
from consumers.cli.filters import Since
from consumers.cli.output import (
    EXIT_INVALID,
    Json,
    Yes,
    act_on_bus,
    cell_text,
    confirm,
    explain_errors,
    fail,
    page,
    print_answer,
    print_field_texts,
    print_table,
    run_on_bus,
)
from consumers.cli.unit_keys import require_new_file
from consumers.messages import field_error
from consumers.private_files import new_file
from consumers.reporting.person_export import PersonExporter
from consumers.staff.authorization import Actor
from consumers.subscribers.csv_import import ImportReport, import_csv
from consumers.subscribers.store import SubscriberStore, same_address
from consumers.subscribers.unsubscribe import UnsubscribeService
from consumers.suppression.store import Suppression, describe_suppression
from consumers.zalo.followers import FollowerStore
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.subscriptions.person_export import PersonExport
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus
from producers.output import print_bilingual

log = structlog.get_logger()
_REASON_MAX = 200
_EMAIL = ChannelName.EMAIL
app = typer.Typer(no_args_is_help=True, help="Import, show, list, export and erase readers.")
File = Annotated[
    Path,
    typer.Argument(
        exists=True, dir_okay=False, help="A CSV file: UTF-8 or UTF-16, commas or semicolons."
    ),
]
Address = Annotated[str, typer.Argument(help="A reader's e-mail address.")]
Who = Annotated[str, typer.Argument(metavar="WHO", help="An address, or an id.")]
Everyone = Annotated[bool, typer.Option("--all", help="All readers with an address, as CSV.")]
Out = Annotated[Path | None, typer.Option(help="A new file, for its owner alone, not the screen.")]
Reason = Annotated[str, typer.Option(help="Why. It stays in the log, so it names nobody.")]


class ReaderAnswer(Subscriber):
    """The answer of `show`."""

    suppressed: Suppression | None


class RemovalAnswer(BaseModel):
    """The answer of `remove`."""

    removed: bool = True


@app.command("import")
@page(
    ImportReport,
    {2: "wrong input, or lines were refused; the rest is in"},
    examples=("loa subscribers import readers.csv",),
)
def import_file(file: File, by: By = "", as_json: Json = False) -> None:
    """Add and update readers from a CSV file."""
    vocabulary = load_vocabulary(read_settings(LoaSettings))

    async def work(bus: Bus, _: Actor) -> ImportReport:
        keys = await stores.open_keys(bus)
        return await import_csv(bus, file, vocabulary, keys.derive("addresses"))

    report = run_audited(Command("subscribers.import", by=by), work)
    print_answer(report, as_json, lambda: _print_report(report))
    raise typer.Exit(EXIT_INVALID if report.rejected else 0)


def _print_report(report: ImportReport) -> None:
    refused = len({row.line for row in report.rejected})
    counts = report.added, report.updated, report.unchanged, refused
    en = "{} added, {} updated, {} unchanged, {} refused".format(*counts)
    print_bilingual(en, "thêm {}, cập nhật {}, giữ nguyên {}, từ chối {}".format(*counts))
    for row in report.rejected:
        en = f"line {row.line}, {row.field}: {row.message}"
        vi = f"dòng {row.line}, {row.field}: {row.message_vi}"
        print_bilingual(en, vi, err=True)


@app.command()
@page(
    ReaderAnswer,
    {2: "wrong input, or the address is unknown"},
    examples=("loa subscribers show an@example.com",),
)
def show(address: Address, by: By = "", as_json: Json = False) -> None:
    """Show all that is kept of a reader, and whether mail leaves the address alone."""

    async def load(bus: Bus) -> tuple[Subscriber, Suppression | None]:
        store = await stores.open_subscribers(bus)
        known = await store.find_by_address(stores.normalized_address(address))
        await record(bus, Command("subscribers.find", known.id if known else "", by))
        subscriber = _require_known(known)
        suppressions = await stores.open_suppressions(bus)
        return subscriber, await suppressions.find_active(ChannelName.EMAIL, subscriber.email)

    subscriber, suppression = run_on_bus(load)
    fields = subscriber.model_dump(exclude_none=True)
    joined = ("; ".join(map(cell_text, v)) if isinstance(v, tuple) else v for v in fields.values())
    rows = [*zip(fields, joined, strict=True), *_suppression_rows(suppression)]
    answer = ReaderAnswer(**subscriber.model_dump(), suppressed=suppression)
    print_answer(answer, as_json, lambda: print_table(("", ""), rows))


def _suppression_rows(suppression: Suppression | None) -> list[tuple[str, str]]:
    """Why mail to this subscriber is suppressed, and the command that lifts it."""
    if suppression is None:
        return []
    return [
        ("suppressed", describe_suppression(suppression).message),
        ("to lift it", "loa mail suppressed lift ADDRESS --by NAME"),
    ]


@app.command()
@page(
    RemovalAnswer,
    examples=('loa subscribers remove an@example.com --reason "written request 12/2026"',),
)
def remove(
    address: Address, reason: Reason, by: By = "", yes: Yes = False, as_json: Json = False
) -> None:
    """Erase a person by address: as a reader, and in case notices and letters that are kept.

    Every machine forgets within 10 s.
    """

    async def work(bus: Bus) -> None:
        keys, checked_reason = await stores.open_keys(bus), _check_reason(reason)
        unsubscribe = UnsubscribeService.from_key_file(bus, keys)
        email = stores.normalized_address(address)
        known = await unsubscribe.store.find_by_address(email)
        command = Command(
            "subscribers.remove", known.id if known else "", by, reason=checked_reason
        )
        erase = partial(_erase, bus, unsubscribe, email, checked_reason)
        await perform(bus, command, lambda _: erase())

    confirm("ask_erase", yes=yes)
    act_on_bus(work)
    print_answer(RemovalAnswer(), as_json, lambda: print_bilingual("removed", "đã xóa"))


async def _erase(bus: Bus, unsubscribe: UnsubscribeService, email: str, reason: str) -> None:
    """Erase an address wherever it is kept. Raises Invalid if it is kept nowhere."""
    notices = await erase_from_notices(bus, "email", partial(same_address, email))
    if notices:
        log.info("notices_erased", notices=notices, reason=reason)
    if await unsubscribe.store.purge_leftovers(email):  # an earlier try was cut short
        return
    if notices and await unsubscribe.store.find_by_address(email) is None:
        return
    subscriber = await _require_subscriber(unsubscribe.store, email)
    await unsubscribe.erase(subscriber, email, reason=reason)


app.command("list")(subscriber_lists.list_readers)
app.command("count")(subscriber_lists.count_readers)


@app.command()
@page(
    PersonExport | subscriber_lists.CsvExport,
    {2: "wrong input, or nothing is kept"},
    examples=(
        "loa subscribers export an@example.com",
        "loa subscribers export --all --out readers.csv",
    ),
)
def export(
    who: Who = "",
    out: Out = None,
    everyone: Everyone = False,
    topic: subscriber_lists.Topic = "",
    state: subscriber_lists.State = None,
    since: Since = "",
    bom: subscriber_lists.Bom = False,
    by: By = "",
    as_json: Json = False,
) -> None:
    """Export what is kept of one person as JSON, or with --all the readers with addresses as CSV.

    WHO is an address, the id of a reader, or `zalo:` and the id of a person at the Official
    Account. The id of an erased reader still finds what was delivered. The CSV file has the columns
    that `loa subscribers import` takes; --topic, --state, --since and --bom are about it.
    """
    if everyone == bool(who) or (everyone and out is None):
        fail(field_error("who", "export_whom"))
    if everyone and out:
        criteria = subscriber_lists.Criteria(topic, _EMAIL, state, since)
        done = subscriber_lists.export_csv(criteria, out, by, bom=bom)
        text = field_error(str(out), "readers_exported", count=done.readers, bad=done.unreadable)
        print_answer(done, as_json, lambda: print_field_texts(text))
        return
    _export_person(who, out, by)


def _export_person(who: str, out: Path | None, by: str) -> None:
    """Export all that is kept of one person. Exits with 2 if that is nothing."""

    async def work(bus: Bus) -> PersonExport:
        require_new_file(out)
        subscribers = await stores.open_subscribers(bus)
        suppressions = await stores.open_suppressions(bus)
        followers = FollowerStore.from_key_file(bus, await stores.open_keys(bus))
        now = datetime.now(UTC)
        exporter = PersonExporter(bus, subscribers, suppressions, followers, now)
        person = await exporter.by_name(stores.normalized_address(who) if "@" in who else who)
        id = person.subscriber.id if person.subscriber else ""
        await record(bus, Command("subscribers.export", id, by))
        if person.is_empty:
            raise Invalid(field_error("person", "reader_unknown"))
        return person

    person = run_on_bus(work)
    log.info("person_exported", state=person.state, deliveries=len(person.deliveries))
    if out is None:
        typer.echo(person.model_dump_json())
        return
    with explain_errors(), new_file(out) as file:
        file.write(person.model_dump_json(indent=2).encode() + b"\n")


async def _require_subscriber(store: SubscriberStore, address: str) -> Subscriber:
    """The subscriber with *address*. Raises Invalid if there is none."""
    return _require_known(await store.find_by_address(address))


def _require_known(subscriber: Subscriber | None) -> Subscriber:
    if subscriber is None:
        raise Invalid(field_error("address", "reader_unknown"))
    return subscriber


def _check_reason(reason: str) -> str:
    """Clean a reason. Raises Invalid for an empty one, or one that may contain an address."""
    text = reason.strip()
    if not text or len(text) > _REASON_MAX or "@" in text:
        raise Invalid(field_error("reason", "erasure_reason", limit=_REASON_MAX))
    return text
