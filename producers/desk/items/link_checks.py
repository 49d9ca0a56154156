"""Forms that have the links of a text asked: as it is typed, or as an item has it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from contracts.errors import Forbidden
from producers.desk import rendering
from producers.desk.editor.conversion import settle_markdown, too_many_requests
from producers.desk.editor.findings import TextChecks
from producers.desk.editor.keeping import form_path, keep_form
from producers.desk.items.pages import ANSWERED_FOR, find_item, item_path
from producers.desk.items.text_form import read_kept
from producers.desk.visit import Visit

ASK = ("write", "confirm", "edit", "approve")
_COST = 20
"""Of the requests that an account has a minute: one of these asks many other servers."""


async def check_typed(visit: Visit) -> Response:
    """Ask the links of a form, and show it again as it was typed. Raises Invalid."""
    if refused := too_many_requests(visit, _COST):
        return refused
    content_id = visit.request.path_params["content_id"]
    await settle_markdown(visit)
    await keep_form(visit, content_id)
    await _ask(visit, read_kept(visit.form, {}))
    return rendering.redirect(f"{form_path(content_id)}?giu-tam=1#kiem-tra")


async def check_item(visit: Visit) -> Response:
    """Ask the links of a text for who may answer for it, and show the page again.

    Raises NotFound, Forbidden.
    """
    if refused := too_many_requests(visit, _COST):
        return refused
    item = await find_item(visit)
    if not item.possible & ANSWERED_FOR:
        raise Forbidden
    await _ask(visit, item.data)
    page = "/duyet" if visit.value("trang") == "duyet" else ""
    return rendering.redirect(f"{item_path(item.content_id, page)}#lien-ket")


async def _ask(visit: Visit, data: Mapping[str, Any]) -> None:
    await TextChecks.of(visit).ask_links(data)
