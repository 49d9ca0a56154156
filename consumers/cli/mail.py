"""`loa mail`: preview the mail of an item or of the next digest."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

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
from consumers.cli import mail_brakes, mail_suppressed
from consumers.cli.digests import digest_calendar
from consumers.cli.output import (
    EXIT_INVALID,
    Json,
    explain_errors,
    print_errors,
    print_json,
    run_on_bus,
)
from consumers.digests.forecast import DigestForecaster
from consumers.key_file import open_key_file
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.preview import PreviewedPublication, PublicationFinder
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.validation import normalize_email
from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.subscriptions.digest import FREQUENCIES, Digest
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus

MailFacts = dict[str, Any]


def mail_facts(mails: Mapping[str, Preview], out: Path | None, stem: str) -> list[MailFacts]:
    """What each kind of mail says, and the files written of it: none without a folder *out*.

    The folder is made where it is missing.
    """
    if out:
        out.mkdir(parents=True, exist_ok=True)
    return [
        {
            "reader": kind,
            "subject": mail.subject,
            "from": mail.sender,
            "text": mail.text.replace("\r\n", "\n"),
            "files": write_files(mail, out / f"{stem}.{kind}") if out else {},
        }
        for kind, mail in mails.items()
    ]


def write_files(mail: Preview, stem: Path) -> Mapping[str, str]:
    """Kind → file, once they are written."""
    parts = {"html": mail.html.encode(), "txt": mail.text.encode(), "eml": mail.eml}
    for kind, part in parts.items():
        Path(f"{stem}.{kind}").write_bytes(part)
    return {kind: f"{stem}.{kind}" for kind in parts}


def print_mails(mails: list[MailFacts]) -> None:
    """The files of each; where none were written its text, and how to get some."""
    for mail in mails:
        typer.echo(f"{mail['reader']}: {mail['subject']}\n  {mail['from']}")
        for file in mail["files"].values():
            typer.echo(f"  {file}")
        if not mail["files"]:
            typer.echo(f"\n{mail['text']}")
    if not all(mail["files"] for mail in mails):
        print_errors([field_error("out", "text_alone")])


EVERYBODY, ONE_READER = "everybody", "reader"


def show_digest(whose: str, house: MailContext, out: Path | None, *, as_json: bool) -> None:
    """Show or write the mail of a rhythm's next digest, or of a reader's own."""

    async def find(bus: Bus) -> tuple[Digest, int]:
        forecast = DigestForecaster(bus, Ledger(bus), await digest_calendar(bus), time.time)
        if whose in FREQUENCIES:
            return await forecast.with_all_items(whose)
        return await forecast.for_subscriber(await find_subscriber(bus, whose))

    digest, picks = run_on_bus(find)
    kind = EVERYBODY if whose in FREQUENCIES else ONE_READER
    with explain_errors():
        mails = mail_facts({kind: digest_preview(digest, house, picks)}, out, digest.key)
    if as_json:
        print_json(digest_facts(digest, picks) | {"mails": mails})
    else:
        print_mails(mails)


async def find_subscriber(bus: Bus, whose: str) -> Subscriber:
    """Find a subscriber by address or id. Raises Invalid if there is none."""
    people = SubscriberStore.from_key_file(
        bus, await open_key_file(bus, read_settings(LoaSettings).key_file)
    )
    address, wrong = normalize_email(whose) if "@" in whose else ("", ())
    if wrong:
        raise Invalid(*wrong)
    one = await (people.find_by_address(address) if address else people.find_by_id(whose))
    if one is None:
        raise Invalid(field_error("digest", "digest_of_nobody"))
    return one


def digest_facts(digest: Digest, picks: int) -> dict[str, Any]:
    issue = digest.issue
    chosen = (item for number, item in enumerate(issue.items) if picks >> number & 1)
    return {
        "digest_id": issue.digest_id,
        "frequency": issue.frequency,
        "next": issue.due.isoformat(),
        "items": [item.content_id for item in chosen],
    }


app = typer.Typer(no_args_is_help=True, help="What readers get by mail.")


app.add_typer(mail_suppressed.app, name="suppressed")


app.add_typer(mail_brakes.app, name="brakes")


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


@app.callback()
def nothing() -> None:
    """A noun of its own."""


@app.command()
def preview(
    content_id: ContentId = "",
    revision: Revision = None,
    digest: ItsDigest = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Show the text of an item's mail, as a new reader gets it; no mail is sent.

    With --out FOLDER it is written there as HTML, text and EML, and nothing is written without.
    What corrects or takes back an earlier text is also shown as those get it who had that text,
    in a mail of its own or in a digest. Works for what is out and for what waits at the desk.

    With `--digest daily` or `weekly` the next digest with all that waits for it; with a reader's
    address or id, theirs: only what matches and they have not had. It is not cut by that.

    The name, the address and the link for leaving are always made up, a reader's own digest's too.
    """
    if bool(content_id) == bool(digest):
        print_errors([field_error("content_id", "item_or_digest")])
        raise typer.Exit(EXIT_INVALID)
    if digest:
        show_digest(digest, mail_context(), out, as_json=as_json)
    else:
        show_item(content_id, revision, out, as_json=as_json)


def show_item(content_id: str, revision: int | None, out: Path | None, *, as_json: bool) -> None:
    """An item's mails."""
    found = run_on_bus(
        lambda bus: PublicationFinder(bus, datetime.now(UTC)).find(content_id, revision)
    )
    with explain_errors():
        drawn = publication_previews(
            found.publication,
            mail_context(),
            has_earlier=found.has_earlier_revision,
            digest=found.previous_digest,
        )
        mails = mail_facts(drawn, out, found.publication.key)
    if as_json:
        print_json(item_facts(found) | {"mails": mails})
        return
    if ChannelName.EMAIL not in found.publication.channels:
        print_errors([field_error("channels", "not_by_mail", value=found.publication.key)])
    print_mails(mails)


def mail_context() -> MailContext:
    """What all mails of this Loa share, but for the key that signs real links."""
    settings = read_settings(LoaSettings)
    return MailContext(
        read_settings(EmailSettings),
        public_url(settings),
        PREVIEW_SIGNER,
        load_vocabulary(settings),
    )


def item_facts(found: PreviewedPublication) -> dict[str, Any]:
    publication = found.publication
    return {
        "content_id": publication.content_id,
        "revision": publication.revision,
        "state": found.state,
        "by_mail": ChannelName.EMAIL in publication.channels,
    }
