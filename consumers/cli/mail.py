"""`loa mail`: previews of mails, suppressed addresses, and stops after too many bounces."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, Field

from channels.email.render.build import MailContext
from channels.email.render.preview import (
    PREVIEW_SIGNER,
    Preview,
    digest_preview,
    publication_previews,
)
from channels.email.settings import EmailSettings
from consumers.app.instance import public_url
from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.cli import output, stores
from consumers.cli.acts import By, Command, LiftAnswer, lift_suppression, look, record, run_audited
from consumers.cli.digests import digest_calendar
from consumers.cli.filters import parse_time
from consumers.desk.access import item_facts
from consumers.digests.forecast import DigestForecaster
from consumers.email import bounce_stops
from consumers.email.bounce_stops import BounceStop, BounceStops
from consumers.email.log_evidence import LogEvidence, read_logs
from consumers.email.trace import most_frequent_codes
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.messages import field_error
from consumers.reporting.preview import PreviewedPublication, PublicationFinder
from consumers.restored import last_restore
from consumers.staff.authorization import Actor
from consumers.suppression.store import Suppression, describe_suppression
from contracts.base.addresses import is_mailable
from contracts.base.times import utc_time
from contracts.delivery import ChannelName, PlanKey
from contracts.errors import Invalid
from contracts.subscriptions.digest import FREQUENCIES, Digest
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus
from producers.output import print_bilingual

app = typer.Typer(no_args_is_help=True, help="Preview mails, lift suppressions and stops.")
suppressed = typer.Typer(no_args_is_help=True, help="Manage the addresses that mail leaves alone.")
brakes = typer.Typer(no_args_is_help=True, help="Manage stops after too many bounces.")
app.add_typer(suppressed, name="suppressed")
app.add_typer(brakes, name="brakes")
Logs = Annotated[
    list[Path], typer.Argument(exists=True, help="A relay's log, or the folder of all of its logs.")
]
CompleteSince = Annotated[
    str,
    typer.Option(
        help="The logs have all mail since then, at the latest since before the backup: what they"
        " do not name never left."
    ),
]
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
ItsDigest = Annotated[
    str,
    typer.Option(
        help="Instead: the next digest: `daily`, `weekly`, or a reader's by their address or id."
    ),
]
Revision = Annotated[
    int | None, typer.Option(help="Which revision; else what waits at the desk, else the newest.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="A folder for HTML, text and EML files; made where it is missing."),
]
Address = Annotated[str, typer.Argument(help="A mail address.")]
_EMAIL = ChannelName.EMAIL
_STOP_COLUMNS = (
    *("publication", "state", "judged", "decided"),
    *("mails", "failed", "%", "by", "codes"),
)
MailFacts = dict[str, Any]


class MailAnswer(BaseModel):
    """One mail in the answer of `preview`; *files* by kind."""

    reader: str
    subject: str
    sender: str = Field(alias="from")
    text: str
    files: dict[str, str]


class ItemAnswer(BaseModel):
    """The answer of `preview` for an item."""

    content_id: str
    revision: int
    state: str
    by_mail: bool
    mails: list[MailAnswer]


class DigestAnswer(BaseModel):
    """The answer of `preview` for a digest."""

    digest_id: str
    frequency: str
    next: datetime
    items: list[str]
    mails: list[MailAnswer]


class SuppressedAnswer(BaseModel):
    """The answer of `suppressed list`: addresses by reason."""

    suppressed: int
    reasons: dict[str, int]


class ReleaseAnswer(BaseModel):
    """The answer of `brakes release`."""

    content_id: str
    released: bool = True


class ReconcileAnswer(BaseModel):
    """The answer of `reconcile`: the mails that the logs name, and the rows that were in doubt."""

    in_logs: int
    delivered: int
    not_sent: int


def _mail_facts(mails: Mapping[str, Preview], out: Path | None, stem: str) -> list[MailFacts]:
    """The text of each kind of mail, and its files: none without a folder *out*."""
    if out:
        out.mkdir(parents=True, exist_ok=True)
    return [
        {
            "reader": kind,
            "subject": mail.subject,
            "from": mail.sender,
            "text": mail.text.replace("\r\n", "\n"),
            "files": _write_files(mail, out / f"{stem}.{kind}") if out else {},
        }
        for kind, mail in mails.items()
    ]


def _write_files(mail: Preview, stem: Path) -> Mapping[str, str]:
    """Write the files of a mail; return them by kind."""
    parts = {"html": mail.html.encode(), "txt": mail.text.encode(), "eml": mail.eml}
    for kind, part in parts.items():
        Path(f"{stem}.{kind}").write_bytes(part)
    return {kind: f"{stem}.{kind}" for kind in parts}


def _print_mails(mails: list[MailFacts]) -> None:
    """Print the files of each mail; without files its text, and how to get some."""
    for mail in mails:
        typer.echo(f"{mail['reader']}: {mail['subject']}\n  {mail['from']}")
        for file in mail["files"].values():
            typer.echo(f"  {file}")
        if not mail["files"]:
            typer.echo(f"\n{mail['text']}")
    if not all(mail["files"] for mail in mails):
        output.print_errors([field_error("out", "text_alone")])


def _show_digest(wanted: str, out: Path | None, by: str, *, as_json: bool) -> None:
    """Show or write the mail of the next digest of a frequency, or of a subscriber."""

    async def find(bus: Bus) -> tuple[Digest, int]:
        forecaster = DigestForecaster(bus, Ledger(bus), await digest_calendar(bus), time.time)
        if wanted in FREQUENCIES:
            return await forecaster.with_all_items(wanted)
        return await forecaster.for_subscriber(await _find_subscriber(bus, wanted, by))

    digest, picks = output.run_on_bus(find)
    reader = "everybody" if wanted in FREQUENCIES else "reader"
    with output.explain_errors():
        preview = digest_preview(digest, mail_context(), picks)
        mails = _mail_facts({reader: preview}, out, digest.key)
    answer = _digest_facts(digest, picks) | {"mails": mails}
    output.print_answer(answer, as_json, lambda: _print_mails(mails))


async def _find_subscriber(bus: Bus, wanted: str, by: str) -> Subscriber:
    """Find a subscriber by address or id. Raises Invalid, Unauthorized, Forbidden."""
    store = await stores.open_subscribers(bus)
    if "@" in wanted:
        subscriber = await store.find_by_address(stores.normalized_address(wanted))
    else:
        subscriber = await store.find_by_id(wanted)
    await record(bus, Command("subscribers.find", subscriber.id if subscriber else "", by))
    if subscriber is None:
        raise Invalid(field_error("digest", "digest_of_nobody"))
    return subscriber


def _digest_facts(digest: Digest, picks: int) -> dict[str, Any]:
    issue = digest.issue
    chosen = (item for number, item in enumerate(issue.items) if picks >> number & 1)
    return {
        "digest_id": issue.digest_id,
        "frequency": issue.frequency,
        "next": issue.due.isoformat(),
        "items": [item.content_id for item in chosen],
    }


@app.command()
@output.page(
    ItemAnswer | DigestAnswer,
    examples=("loa mail preview tb-15 --out previews", "loa mail preview --digest daily"),
)
def preview(
    content_id: ContentId = "",
    revision: Revision = None,
    digest: ItsDigest = "",
    out: Out = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Show the text of an item's mail, as a new reader gets it; no mail is sent.

    With --out FOLDER it is written there as HTML, text and EML, and nothing is written without.
    What corrects or takes back an earlier text is also shown as those get it who had that text,
    in a mail of its own or in a digest. Works for what is out, for what waits at the desk, and for
    drafts there.

    With `--digest daily` or `weekly` the next digest with all that waits for it; with a reader's
    address or id, theirs: only what matches and they have not had. It is not cut by that.

    The name, the address and the link for leaving are always made up, a reader's own digest's too.
    """
    if bool(content_id) == bool(digest):
        output.fail(field_error("content_id", "item_or_digest"))
    if digest:
        _show_digest(digest, out, by, as_json=as_json)
    else:
        found = output.run_on_bus(partial(_find_item, content_id, revision, by))
        _show_item(found, out, as_json=as_json)


async def _find_item(
    content_id: str, revision: int | None, by: str, bus: Bus
) -> PreviewedPublication:
    """Find a publication to preview; a hidden one takes the right to read. Raises ContractError."""
    finder = PublicationFinder(bus, datetime.now(UTC))
    found = await finder.find(content_id, revision)
    if not found.is_visible:
        right = await look(bus, "desk.read", content_id, by)
        right.require(item_facts(found.written, found.item))
    return found


def _show_item(found: PreviewedPublication, out: Path | None, *, as_json: bool) -> None:
    """Show or write an item's mails."""
    with output.explain_errors():
        previews = publication_previews(
            found.publication,
            mail_context(),
            has_earlier=found.has_earlier_revision,
            digest=found.previous_digest,
        )
        mails = _mail_facts(previews, out, found.publication.key)
    if not as_json and _EMAIL not in found.publication.channels:
        output.print_errors([field_error("channels", "not_by_mail", value=found.publication.key)])
    output.print_answer(_item_facts(found) | {"mails": mails}, as_json, lambda: _print_mails(mails))


def mail_context() -> MailContext:
    """The mail context of this Loa, with a signer that makes no real links."""
    settings = read_settings(LoaSettings)
    email, vocabulary = read_settings(EmailSettings), load_vocabulary(settings)
    return MailContext(email, public_url(settings), PREVIEW_SIGNER, vocabulary)


def _item_facts(found: PreviewedPublication) -> dict[str, Any]:
    publication = found.publication
    return {
        "content_id": publication.content_id,
        "revision": publication.revision,
        "state": found.state,
        "by_mail": _EMAIL in publication.channels,
    }


def _parse_address(written: str) -> str:
    """Check the address. Raises Invalid if it is not a mail address."""
    text = written.strip()
    if not is_mailable(text):
        raise Invalid(field_error("address", "no_mail_address"))
    return text


@app.command()
@output.page(
    ReconcileAnswer,
    examples=("loa mail reconcile /srv/relay1 /srv/relay2 --complete-since 2026-11-25",),
)
def reconcile(
    logs: Logs,
    complete_since: CompleteSince = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Compare mail in doubt with the logs of its relays: what they accepted is delivered.

    Postfix writes such logs, on any machine; name one folder, or one file, for each relay.
    """

    async def compare(bus: Bus, _: Actor) -> ReconcileAnswer:
        since, restored = parse_time("complete-since", complete_since), await last_restore(bus)
        if since and not restored:
            raise Invalid(field_error("complete-since", "no_doubt"))
        async with read_logs(logs, read_settings(LoaSettings).data_dir) as accepted:
            evidence = LogEvidence(Ledger(bus), Waker(bus), accepted, time.time, restored, since)
            counts = await evidence.apply()
        return ReconcileAnswer(in_logs=accepted.count, **counts.model_dump())

    answer = run_audited(Command("mail.reconcile", by=by), compare)
    text = field_error("mail", "mail_reconciled", **answer.model_dump())
    output.print_answer(answer, as_json, lambda: output.print_field_texts(text))


@suppressed.command("list")
@output.page(SuppressedAnswer)
def list_reasons(as_json: output.Json = False) -> None:
    """Count the addresses that are left alone, by reason. Only their hashes are kept."""

    async def count(bus: Bus) -> Counter[str]:
        return await (await stores.open_suppressions(bus)).count_by_reason(_EMAIL)

    counts = output.run_on_bus(count)
    reasons = dict(sorted(counts.items()))
    answer = SuppressedAnswer(suppressed=counts.total(), reasons=reasons)
    rows = [*reasons.items(), ("all", counts.total())]
    output.print_answer(answer, as_json, lambda: output.print_table(("reason", "addresses"), rows))


@suppressed.command()
@output.page(Suppression | None, examples=("loa mail suppressed show an@example.com",))
def show(address: Address, by: By = "", as_json: output.Json = False) -> None:
    """Show why an address is left alone, since when and until when."""

    async def find(bus: Bus) -> Suppression | None:
        await record(bus, Command("suppressed.find", _EMAIL, by))
        suppressions = await stores.open_suppressions(bus)
        return await suppressions.find_active(_EMAIL, _parse_address(address))

    found = output.run_on_bus(find)
    text = describe_suppression(found) if found else field_error("address", "not_suppressed")
    output.print_answer(found, as_json, lambda: output.print_field_texts(text))


@suppressed.command()
@output.page(LiftAnswer, examples=("loa mail suppressed lift an@example.com",))
def lift(address: Address, by: By = "", as_json: output.Json = False) -> None:
    """Write to an address again, although its server or its reader said no before."""
    lift_suppression(_EMAIL, lambda: _parse_address(address), by, as_json)


@brakes.command("list")
@output.page(BounceStops)
def list_stops(as_json: output.Json = False) -> None:
    """List the bounce warnings, stops and releases of the last thirty days."""
    stops = output.run_on_bus(bounce_stops.load_stops)
    rows = (_stop_cells(plan, stop) for plan, stop in stops.plans.items())
    output.print_answer(stops, as_json, lambda: output.print_table(_STOP_COLUMNS, rows))


def _stop_cells(plan: str, stop: BounceStop) -> Sequence[object]:
    times = (stop.at, stop.decided)
    judged, decided = (utc_time(at) if at else None for at in times)
    counts = (stop.mails, stop.failed, stop.percent)
    return (plan, stop.state, judged, decided, *counts, stop.by, most_frequent_codes(stop.codes))


@brakes.command()
@output.page(ReleaseAnswer, examples=("loa mail brakes release tb-15",))
def release(
    content_id: ContentId, by: By = "", yes: output.Yes = False, as_json: output.Json = False
) -> None:
    """Let a stopped publication's mail go on, regardless of bounces.

    To end an item instead: `loa withdraw`.
    """

    async def order(bus: Bus, who: Actor) -> None:
        name = output.require_name(who.by)
        stops = (await bounce_stops.load_stops(bus)).plans.items()
        stopped = [PlanKey.parse(plan) for plan, stop in stops if stop.state == "stopped"]
        plans = [plan for plan in stopped if plan[:2] == (_EMAIL, content_id)]
        if not plans:
            raise Invalid(field_error("content_id", "not_stopped", value=content_id))
        for plan in plans:
            await bounce_stops.release_stop(bus, plan, name)

    output.confirm("ask_go_on", yes=yes)
    run_audited(Command("mail.release", content_id, by), order)
    answer = ReleaseAnswer(content_id=content_id)
    output.print_answer(answer, as_json, lambda: print_bilingual("goes on", "tiếp tục gửi"))
