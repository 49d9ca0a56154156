"""`loa mail`: what readers get by mail."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from channels.email.build import House
from channels.email.preview import SIGNER, Preview, previews
from channels.email.settings import EmailSettings
from consumers.app.running import public_url
from consumers.app.settings import LoaSettings, read, vocabulary
from consumers.cli import mail_brakes, mail_suppressed
from consumers.cli.answers import Json, complain, explained, on_bus, print_json
from consumers.faults import fault
from consumers.preview import Finder, Shown
from contracts.delivery import ChannelName

app = typer.Typer(no_args_is_help=True, help="What readers get by mail.")
app.add_typer(mail_suppressed.app, name="suppressed")
app.add_typer(mail_brakes.app, name="brakes")
ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[
    int | None, typer.Option(help="Which revision; else what waits at the desk, else the newest.")
]
Out = Annotated[Path, typer.Option(help="The folder for the files; made where it is missing.")]


@app.callback()
def nothing() -> None:
    """A noun of its own."""


@app.command()
def preview(
    content_id: ContentId,
    revision: Revision = None,
    out: Out = Path(),
    as_json: Json = False,
) -> None:
    """Write an item's mail as HTML, text and EML, as a new reader gets it; nobody is sent any.

    What corrects or takes back an earlier text is also written as those get it who had that text.
    Works for what is out and for what waits at the desk. The reader's name is made up.
    """
    found = on_bus(lambda bus: Finder(bus, datetime.now(UTC)).find(content_id, revision))
    with explained():
        drawn = previews(found.publication, house(), followed=found.followed)
        out.mkdir(parents=True, exist_ok=True)
        facts = [
            {"reader": kind, "subject": mail.subject, "from": mail.sender, "files": files}
            for kind, mail in drawn.items()
            for files in [written(mail, out / f"{found.publication.key}.{kind}")]
        ]
    if as_json:
        print_json(about(found) | {"mails": facts})
    else:
        tell(found, facts)


def house() -> House:
    """What all mails of this Loa share, but for the key that signs real links."""
    settings = read(LoaSettings)
    return House(read(EmailSettings), public_url(settings), SIGNER, vocabulary(settings))


def written(mail: Preview, stem: Path) -> Mapping[str, str]:
    """Kind → file."""
    parts = {"html": mail.html.encode(), "txt": mail.text.encode(), "eml": mail.eml}
    for kind, part in parts.items():
        Path(f"{stem}.{kind}").write_bytes(part)
    return {kind: f"{stem}.{kind}" for kind in parts}


def about(found: Shown) -> dict[str, Any]:
    publication = found.publication
    return {
        "content_id": publication.content_id,
        "revision": publication.revision,
        "state": found.state,
        "by_mail": ChannelName.EMAIL in publication.channels,
    }


def tell(found: Shown, facts: list[dict[str, Any]]) -> None:
    if ChannelName.EMAIL not in found.publication.channels:
        complain([fault("channels", "not_by_mail", value=found.publication.key)])
    for mail in facts:
        typer.echo(f"{mail['reader']}: {mail['subject']}\n  {mail['from']}")
        for file in mail["files"].values():
            typer.echo(f"  {file}")
