"""`loa desk preview`: an item as one of the channels would show it."""

import json
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from channels.email.settings import EmailSettings
from channels.portal.model.site import ASSETS_PATH
from consumers.app.instance import public_url
from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.desk.access import TerminalAccess
from consumers.messages import field_error
from consumers.staff.authorization import ReadingRight
from contracts.delivery import ChannelName
from contracts.desk.previews import ArticlePreview, Document, ItemPreview, Wanted
from contracts.errors import Conflict
from producers.bus import Bus

if TYPE_CHECKING:
    from consumers.desk.previews import ItemPreviews


class Face(StrEnum):
    """Where readers would see the item."""

    PORTAL = "portal"
    ZALO = "zalo"
    FEED = "feed"
    MAIL = "mail"


ContentId = Annotated[str, typer.Argument(help="The item's content_id.")]
Revision = Annotated[
    int | None, typer.Option(help="Which revision; else the newest that is written or out.")
]
As = Annotated[Face, typer.Option("--as", help="Where readers would see it.")]
Output = Annotated[
    Path | None, typer.Option("--output", help="The file to write; without it, print it.")
]
_CHANNELS = {
    Face.PORTAL: ChannelName.PORTAL,
    Face.ZALO: ChannelName.ZALO,
    Face.FEED: ChannelName.PORTAL,
    Face.MAIL: ChannelName.EMAIL,
}


class PreviewAnswer(BaseModel):
    """An item as readers would see it: HTML, of a feed the entry in RSS, of Zalo the article.

    `document`: empty where it is written to *file*. `state`: of the revision.
    """

    content_id: str
    revision: int
    state: str
    title: str
    document: str
    file: str = ""


@output.page(
    PreviewAnswer,
    examples=(
        "loa desk preview tb-15 --as portal --output tin.html",
        "loa desk preview tb-15 --as zalo",
    ),
)
def preview(
    content_id: ContentId,
    shown_as: As = Face.PORTAL,
    revision: Revision = None,
    output_file: Output = None,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """Show an item as the portal, Zalo, a feed or a mail would, also before it is released.

    The portal and the mail are HTML; its pictures and styles come from the portal. A feed's entry
    is RSS, Zalo's article JSON. Mails for each kind of readers: `loa mail preview`.
    """
    wanted = Wanted("", content_id, revision)
    item, document = output.run_on_bus(partial(_render, wanted=wanted, face=shown_as, by=by))
    if _CHANNELS[shown_as] not in item.channels:
        output.print_errors([field_error("--as", "not_shown_there", value=content_id)])
    facts = {name: getattr(item, name) for name in ("content_id", "revision", "state", "title")}
    answer = PreviewAnswer(**facts, document=document)
    if output_file:
        answer = _write(answer, output_file)
    output.print_answer(answer, as_json, lambda: typer.echo(answer.file or answer.document))


def _write(answer: PreviewAnswer, file: Path) -> PreviewAnswer:
    """Write the document to a file in place of the answer. Exit code 2 where that fails."""
    with output.explain_errors():
        file.write_text(answer.document, "utf-8")
    return answer.model_copy(update={"document": "", "file": str(file)})


async def _render(bus: Bus, wanted: Wanted, face: Face, by: str) -> tuple[ItemPreview, str]:
    """The item and its document. Raises ContractError."""
    previews = _open_previews(bus, await look(bus, "desk.read", wanted.content_id, by))
    item = await previews.preview(wanted)
    if face is Face.ZALO:
        return item, _article_json(item.article)
    if face is Face.FEED:
        return item, item.feed.xml
    if face is Face.MAIL and not item.mails:
        raise Conflict(field_error("--as", "item_not_by_mail", value=wanted.content_id))
    document = Document.MAIL_LIGHT if face is Face.MAIL else Document.PORTAL
    return item, await previews.document(wanted, document)


def _article_json(article: ArticlePreview) -> str:
    """The article, and the broadcast that tells of it, by the names of their fields."""
    broadcast = article.broadcast and article.broadcast._asdict()
    facts = {**article._asdict(), "broadcast": broadcast}
    return json.dumps(facts, ensure_ascii=False, indent=2)


def _open_previews(bus: Bus, right: ReadingRight) -> "ItemPreviews":
    """The previews of the desk's page; styles are the portal's own."""
    from consumers.app.wiring.desk import channel_faces  # other commands of the desk need none
    from consumers.desk.previews import ItemPreviews

    settings = read_settings(LoaSettings)
    url, words = public_url(settings), load_vocabulary(settings)
    faces = channel_faces(url, words, read_settings(EmailSettings), f"{url}{ASSETS_PATH}")
    return ItemPreviews(bus, time.time, TerminalAccess(right), faces)
