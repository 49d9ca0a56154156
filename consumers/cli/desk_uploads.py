"""`loa desk upload`: keep a file, and name it in an item's text as cover or attachment."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import BaseModel

from consumers.app.instance import public_url
from consumers.app.settings import ClamdSettings, LoaSettings, read_settings
from consumers.cli import output
from consumers.cli.acts import By, TerminalPerson
from consumers.cli.desk_acts import Hash, OrderAnswer, require_hash
from consumers.cli.item_orders import ItemOrders
from consumers.messages import field_error
from consumers.uploads.clamd import Clamd
from consumers.uploads.service import Uploads
from contracts.desk.uploads import FILE_MAX, UploadFacts
from producers.bus import Bus

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file.")]
Item = Annotated[
    str, typer.Option("--item", metavar="CONTENT_ID", help="The item whose text is to name it.")
]
Cover = Annotated[
    str,
    typer.Option(metavar="TEXT", help="As the item's cover, with its text for who can't see it."),
]
Attachment = Annotated[
    str, typer.Option(metavar="TITLE", help="As an attachment of the item, under this title.")
]


class UploadAnswer(BaseModel):
    """The answer of `upload`: the file's address on the portal, and the item that names it."""

    url: str
    path: str
    name: str
    media_type: str
    size: int
    is_picture: bool
    markdown: str
    item: OrderAnswer | None = None


class _Place(NamedTuple):
    """Where a text is to name the file."""

    item: str
    hash: str
    cover: str
    attachment: str

    def change(self, facts: UploadFacts, data: dict[str, Any]) -> dict[str, Any]:
        """The changed fields of a text that names the file."""
        if self.cover:
            return {"cover": {"url": facts.url, "alt": self.cover}}
        entry = facts.as_attachment(self.attachment)
        return {"attachments": [*data.get("attachments", ()), entry]}


@output.page(
    UploadAnswer,
    examples=(
        "loa desk upload quyet-dinh.pdf",
        'loa desk upload bia.jpg --item tb-15 --hash HASH --cover "Lễ trao quyết định"',
    ),
)
def upload(
    file: File,
    item: Item = "",
    hash: Hash = "",
    cover: Cover = "",
    attachment: Attachment = "",
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Keep a picture, a PDF or an office document, once it is found harmless, and say its address.

    With --item a new text of that item names it; --hash is that of the text that was read.
    """
    if bool(item) != (bool(cover) != bool(attachment)) or (cover and attachment):
        output.fail(field_error("--item", "cover_or_attachment"))
    place = _Place(item, hash, cover, attachment)
    answer = output.act_on_bus(lambda bus: _add(bus, file, place, by))
    output.print_answer(answer, as_json, lambda: _print(answer))


async def _add(bus: Bus, file: Path, place: _Place, by: str) -> UploadAnswer:
    orders = ItemOrders(bus, by)
    if place.item:
        await require_hash(orders, place.item, place.hash)
    url = read_settings(ClamdSettings).url
    uploads = Uploads(bus, Clamd(url) if url else None)
    person = await TerminalPerson.of(bus, by)
    with TemporaryDirectory(prefix="loa-") as folder:  # a picture is drawn anew beside its file
        copy = Path(folder) / "file"
        await asyncio.to_thread(_copy, file, copy)
        kept = await uploads.add(person, copy, file.name)
    facts = kept.facts(public_url(read_settings(LoaSettings)))
    answer = UploadAnswer(**facts._asdict())
    if place.item:
        state = await orders.change(
            place.item, place.hash, lambda data: place.change(facts, dict(data))
        )
        answer.item = OrderAnswer.of(place.item, state)
    return answer


def _copy(file: Path, copy: Path) -> None:
    """Copy a file, or as much as shows that it is too large."""
    with file.open("rb") as source:
        copy.write_bytes(source.read(FILE_MAX + 1))


def _print(answer: UploadAnswer) -> None:
    typer.echo(answer.url)
    typer.echo(answer.markdown)
    if answer.item:
        typer.echo(f"hash: {answer.item.hash}")
