"""Acts on an item, each a form of its page: send, confirm, propose, approve, return, reject, ..."""

import re
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from contracts.desk.editorial import Order
from contracts.desk.shown.planned_time import move_time
from contracts.editorial import ActionKind
from contracts.editorial.action import GIVEN_UP
from contracts.editorial.moves import changing_act
from contracts.editorial.notes import moved_note
from contracts.errors import Conflict, Forbidden, Invalid
from producers.desk.items.pages import act_id, find_item, item_path, refused_act
from producers.desk.items.text_form import read_time
from producers.desk.rendering import redirect
from producers.desk.visit import Visit

_PLACE = re.compile("[1-9][0-9]{0,3}")


def perform(kind: ActionKind) -> Callable[[Visit], Awaitable[Response]]:
    """The handler of the forms that order *kind*."""

    async def handler(visit: Visit) -> Response:
        content_id = visit.request.path_params["content_id"]
        try:
            is_done = await visit.editorial.perform(_order(visit, content_id, kind))
        except (Invalid, Conflict, Forbidden) as refused:
            return await refused_act(visit, refused, kind)
        said = kind.value if is_done else "second"
        return redirect(f"{item_path(content_id)}?xong={said}")

    return handler


def _order(visit: Visit, content_id: str, kind: ActionKind) -> Order:
    """The act that a form orders. Raises Invalid for an id that no page offers."""
    place = visit.value("place")
    return Order(
        content_id,
        kind,
        act_id(visit),
        visit.value("hash"),
        note=visit.value("note"),
        code=visit.value("reject_code"),
        place=int(place) if _PLACE.fullmatch(place) else None,
        title=visit.value("new_title"),
        is_clean=bool(visit.value("clean")),
    )


async def give_up(visit: Visit) -> Response:
    """Give up a text before it is sent, by who wrote it."""
    content_id = visit.request.path_params["content_id"]
    facts = (content_id, ActionKind.REJECT, act_id(visit), visit.value("hash"))
    try:
        await visit.editorial.perform(Order(*facts, code=GIVEN_UP))
    except (Invalid, Conflict, Forbidden) as refused:
        return await refused_act(visit, refused)
    return redirect(f"{item_path(content_id)}?xong=give_up")


async def move(visit: Visit) -> Response:
    """Change the time at which a text leaves; it has to be approved again."""
    item = await find_item(visit)
    kind = changing_act(item.stored_status)
    try:
        at, hash = read_time(visit.form, "not_before"), visit.value("hash")
        read = item.texts.get(hash, item.data)  # a second press is about the same text
        data, note = move_time(item.stored_status, read, at, visit.now), moved_note(at)
        order = Order(item.content_id, kind, act_id(visit), hash, data, note)
        await visit.editorial.perform(order)
    except (Invalid, Forbidden, Conflict) as refused:
        return await refused_act(visit, refused)
    return redirect(f"{item_path(item.content_id)}?xong=move")
