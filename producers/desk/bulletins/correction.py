"""The act that corrects an issue whose items were withdrawn or corrected since it is out."""

from starlette.responses import Response

from contracts.desk.editorial import ItemView, Order
from contracts.editorial import OUT, ActionKind
from contracts.errors import Conflict, Forbidden, Invalid, NotFound, field_error
from producers.desk.bulletins.issue_form import issue_of, issue_path
from producers.desk.items.pages import act_id, find_item, refused_act
from producers.desk.rendering import redirect
from producers.desk.visit import Visit


async def correct_issue(visit: Visit) -> Response:
    """Save the correction as a draft; one that waits already stays as it is.

    Raises NotFound for an item that is no issue that readers have, Forbidden.
    """
    item = await find_item(visit)
    if not item.out:
        raise NotFound(field_error("content_id", "missing"))
    try:
        await _save_correction(visit, item)
    except (Invalid, Conflict, Forbidden) as refused:
        return await refused_act(visit, refused)
    return redirect(issue_path(item.content_id) + "?o=correct")


async def _save_correction(visit: Visit, item: ItemView) -> None:
    """Save the newest text as its items are now. Raises Invalid, Conflict, Forbidden."""
    issue = issue_of(item)
    corrected = await visit.desk.services.bulletins.correction(issue)
    if corrected.issue == issue:
        return
    kind = ActionKind.SAVE if ActionKind.SAVE in item.possible else ActionKind.EDIT
    data = {**item.data, **corrected.fields(item.data, is_new=item.stored_status in OUT)}
    await visit.editorial.perform(Order(item.content_id, kind, act_id(visit), item.hash, data))
