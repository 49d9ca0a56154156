"""Typed text that was not saved: kept while typing, offered again, gone after the save."""

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import JSONResponse, Response

from contracts.desk.kept_texts import (
    NEW_ITEM,
    OPEN_WITH_SCRIPTS,
    OPEN_WITHOUT_SCRIPTS,
    KeptText,
    OpenPage,
)
from contracts.errors import Invalid
from contracts.text.moments import VIETNAM, format_moment_in_sentence
from producers.desk import rendering
from producers.desk.editor.conversion import (
    editor_texts,
    refusal,
    settle_markdown,
    too_many_requests,
)
from producers.desk.visit import OWN_FIELDS, Visit


async def keep(visit: Visit) -> Response:
    """Keep the form as it is typed; a text in the visual editor is kept as Markdown."""
    if refused := too_many_requests(visit):
        return refused
    others = await _others(visit)
    try:
        await settle_markdown(visit)
        kept = await keep_form(visit, _item(visit))
    except Invalid as wrong:
        return refusal(wrong)
    said = editor_texts()["kept"]["said"].format(at=f"{kept.at.astimezone(VIETNAM):%H:%M:%S}")
    return JSONResponse({"said": said, "others": others})


async def keep_form(visit: Visit, content_id: str) -> KeptText:
    """Keep the form of a request. Raises Invalid for one that is too large."""
    fields = {name: values for name, values in visit.form.items() if name not in OWN_FIELDS}
    texts = visit.desk.services.kept_texts
    return await texts.keep(visit.visitor.account.id, content_id, fields)


async def check(visit: Visit) -> Response:
    """Show the form as it is typed, with what the checks find. Raises Invalid."""
    if refused := too_many_requests(visit):
        return refused
    await settle_markdown(visit)
    await keep_form(visit, _item(visit))
    return rendering.redirect(f"{form_path(_item(visit))}?giu-tam=1#kiem-tra")


async def be_present(visit: Visit) -> Response:
    """Note that the page is open; tell who else has it open."""
    if refused := too_many_requests(visit):
        return refused
    return JSONResponse({"others": await _others(visit)})


async def _others(visit: Visit) -> list[str]:
    """Who else has the item open, for who may read it. Raises Forbidden."""
    content_id = _item(visit)
    if content_id == NEW_ITEM:
        return []
    await visit.editorial.require_readable(content_id)
    return await _note_open(visit, content_id, OPEN_WITH_SCRIPTS)


async def drop(visit: Visit) -> Response:
    """Forget what was kept, and show the form of the text."""
    await visit.desk.services.kept_texts.drop(visit.visitor.account.id, _item(visit))
    return rendering.redirect(form_path(_item(visit)))


def form_path(content_id: str) -> str:
    """The path of the form of a text."""
    return "/soan-moi" if content_id == NEW_ITEM else f"/tin/{content_id}/sua"


async def find_kept(visit: Visit, content_id: str = NEW_ITEM) -> KeptText | None:
    """The text that the person typed for an item and did not save."""
    return await visit.desk.services.kept_texts.find(visit.visitor.account.id, content_id)


async def finish(visit: Visit, content_id: str = NEW_ITEM) -> None:
    """Delete the kept text of the saved form (not of other tabs) and the presence of its person."""
    texts, account = visit.desk.services.kept_texts, visit.visitor.account
    await texts.drop_saved(account.id, content_id, visit.form)
    await texts.close_page(account.id, content_id)


async def open_elsewhere(visit: Visit, content_id: str) -> list[str]:
    """Who else has the text open, for the page that this person now opens.

    A page with scripts says from then on that it is open; one without does not.
    """
    return await _note_open(visit, content_id, OPEN_WITHOUT_SCRIPTS)


async def _note_open(visit: Visit, content_id: str, lasts: timedelta) -> list[str]:
    """Note that this person has the text open; who else has, as sentences."""
    account, texts = visit.visitor.account, visit.desk.services.kept_texts
    return _told(await texts.open_page(account, content_id, lasts))


def _told(others: Sequence[OpenPage]) -> list[str]:
    said = editor_texts()["presence"]["one"]
    return [
        said.format(name=one.name, since=format_moment_in_sentence(one.since)) for one in others
    ]


def _item(visit: Visit) -> str:
    return str(visit.request.path_params["content_id"])
