"""`loa mail`: what readers get by mail."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from channels.email.build import House
from channels.email.preview import SIGNER, previews
from channels.email.settings import EmailSettings
from consumers.app.running import public_url
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli import digest_preview, mail_brakes, mail_suppressed
from consumers.cli.answers import INVALID, Json, complain, explained, on_bus, print_json
from consumers.cli.mail_files import facts, tell
from consumers.faults import fault
from consumers.preview import Finder, Shown
from contracts.delivery import ChannelName

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
    """Show the text of an item's mail, as a new reader gets it; nobody is sent any.

    With --out FOLDER it is written there as HTML, text and EML, and nothing is written without.
    What corrects or takes back an earlier text is also shown as those get it who had that text,
    in a mail of its own or in a digest. Works for what is out and for what waits at the desk.

    With `--digest daily` or `weekly` the next digest with all that waits for it; with a reader's
    address or id, theirs: only what matches and they have not had. It is not cut by that.

    The name, the address and the link for leaving are always made up, a reader's own digest's too.
    """
    if bool(content_id) == bool(digest):
        complain([fault("content_id", "item_or_digest")])
        raise typer.Exit(INVALID)
    if digest:
        digest_preview.show(digest, house(), out, as_json=as_json)
    else:
        show(content_id, revision, out, as_json=as_json)


def show(content_id: str, revision: int | None, out: Path | None, *, as_json: bool) -> None:
    """An item's mails."""
    found = on_bus(lambda bus: Finder(bus, datetime.now(UTC)).find(content_id, revision))
    with explained():
        drawn = previews(found.publication, house(), followed=found.followed, digest=found.digest)
        mails = facts(drawn, out, found.publication.key)
    if as_json:
        print_json(about(found) | {"mails": mails})
        return
    if ChannelName.EMAIL not in found.publication.channels:
        complain([fault("channels", "not_by_mail", value=found.publication.key)])
    tell(mails)


def house() -> House:
    """What all mails of this Loa share, but for the key that signs real links."""
    settings = read(LoaSettings)
    return House(read(EmailSettings), public_url(settings), SIGNER, vocabulary(settings))


def about(found: Shown) -> dict[str, Any]:
    publication = found.publication
    return {
        "content_id": publication.content_id,
        "revision": publication.revision,
        "state": found.state,
        "by_mail": ChannelName.EMAIL in publication.channels,
    }
