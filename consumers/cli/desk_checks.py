"""`loa desk check`: findings of the desk's checks, and reasons to refuse a draft."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

from consumers.app.instance import public_url
from consumers.app.settings import LoaSettings, load_vocabulary, load_working_days, read_settings
from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.desk_acts import ContentId
from consumers.cli.desk_index import open_current_index
from consumers.desk import person_lists
from consumers.desk.access import item_facts
from consumers.desk.item_acts import submit_errors
from consumers.desk.link_checks import DeskLinkChecks
from consumers.editorial.announced import known_interruption
from consumers.editorial.log import EditorialLog
from consumers.messages import field_error
from consumers.staff.authorization import ReadingRight
from consumers.uploads.service import Uploads
from contracts.base.times import utc_now
from contracts.desk.index import ItemFilter
from contracts.editorial import ItemState
from contracts.errors import NotFound
from contracts.interruptions.known import KnownInterruption
from producers.bus import Bus

if TYPE_CHECKING:
    from producers.desk.editor.findings import Findings, TextChecks

Links = Annotated[
    bool,
    typer.Option(
        "--links", help="Ask each link, from the public Internet alone; up to half a minute."
    ),
]


class FoundPoint(BaseModel):
    """A point that a check found: `place` is an excerpt or a value, `said` what the page says."""

    code: str
    field: str
    place: str
    said: str


class NearItem(BaseModel):
    """An item with nearly the same text or title; shares from 0 to 1, 0 for too little."""

    content_id: str
    title: str
    share_of_text: float
    share_of_title: float
    said: str


class AskedLink(BaseModel):
    """A link that was asked. `reason`: why no page came, empty for one that came."""

    url: str
    at: datetime
    reason: str
    detail: str
    said: str


class CheckAnswer(BaseModel):
    """Findings of the checks in the text of *hash*. `links`: how many links it has."""

    content_id: str
    revision: int
    hash: str
    is_fine: bool
    found: list[FoundPoint]
    damaged: list[str]
    near: list[NearItem]
    links: int
    asked: list[AskedLink]

    @classmethod
    def of(cls, content_id: str, state: ItemState, checked: "Findings") -> "CheckAnswer":
        return cls(
            content_id=content_id,
            revision=state.revision,
            hash=state.hash,
            is_fine=checked.is_fine,
            found=[FoundPoint(**one._asdict(), said=one.said) for one in checked.found],
            damaged=list(checked.damaged),
            near=[
                NearItem(
                    content_id=one.row.content_id,
                    title=one.row.title,
                    share_of_text=one.text,
                    share_of_title=one.title,
                    said=one.said,
                )
                for one in checked.near
            ],
            links=len(checked.links.urls),
            asked=[
                AskedLink(**one._asdict(), said=checked.links.said(one))
                for one in checked.links.asked
            ],
        )


@output.page(CheckAnswer, examples=("loa desk check tb-15", "loa desk check tb-15 --links"))
def check(
    content_id: ContentId, links: Links = False, by: By = "", as_json: output.Json = False
) -> None:
    """Say what the desk's checks find in an item's newest text, and what refuses a draft."""
    run = partial(_check, content_id=content_id, asks_links=links, by=by)
    answer = output.run_on_bus(run)
    output.print_answer(answer, as_json, lambda: _show(answer))


async def _check(bus: Bus, content_id: str, asks_links: bool, by: str) -> CheckAnswer:
    right = await look(bus, "desk.read", content_id, by)
    state, acts = await EditorialLog(bus).history(content_id)
    if state.text is None:
        raise NotFound(field_error("content_id", "item_unknown", value=content_id))
    right.require(item_facts(state))
    if asks_links:
        (await look(bus, "desk.links", content_id, by)).require(item_facts(state))
    data = state.text.data
    known = known_interruption(acts, utc_now(time.time))
    async with _open_checks(bus, right, known) as checks:
        if asks_links:
            await checks.ask_links(data)
        answer = CheckAnswer.of(content_id, state, await checks.find_all(content_id, data))
    return _with_refusals(answer, state)


def _with_refusals(answer: CheckAnswer, state: ItemState) -> CheckAnswer:
    """The answer, and first of all for which a draft would be refused when it is sent on."""
    vocabulary = load_vocabulary(read_settings(LoaSettings))
    refused = [
        FoundPoint(
            code="refused", field=one.field.removeprefix("data."), place="", said=one.message_vi
        )
        for one in submit_errors(answer.content_id, state, vocabulary)
    ]
    is_fine = answer.is_fine and not refused
    return answer.model_copy(update={"found": [*refused, *answer.found], "is_fine": is_fine})


@asynccontextmanager
async def _open_checks(
    bus: Bus, right: ReadingRight, known: KnownInterruption | None
) -> AsyncIterator["TextChecks"]:
    """The checks of the pages, for what the person may read. *known*: what readers know of."""
    from producers.desk.editor.findings import TextChecks  # the pages, for this command alone
    from producers.desk.editor.notice_period import NoticePeriod

    settings = read_settings(LoaSettings)
    period = NoticePeriod(utc_now(time.time), load_working_days(settings), known)
    account = right.account
    readable = person_lists.readable(right.policy, account) if account else ItemFilter()
    portal = public_url(settings)
    async with open_current_index(bus) as index:
        yield TextChecks(Uploads(bus), DeskLinkChecks(time.time), index, portal, readable, period)


def _show(answer: CheckAnswer) -> None:
    from producers.desk.editor.conversion import editor_texts

    said = editor_texts()
    typer.echo(f"hash: {answer.hash}")
    for point in answer.found:
        typer.echo(f"{point.field}: {point.said}")
    for line in answer.damaged:
        typer.echo(line)
    for near in answer.near:
        typer.echo(f"{near.said} {near.title} ({near.content_id})")
    for link in answer.asked:
        typer.echo(f"{link.url}: {link.said}")
    if answer.links and not answer.asked:
        typer.echo(said["links"]["unasked"].format(all=answer.links))
    if answer.is_fine:
        typer.echo(said["checks"]["fine"])
