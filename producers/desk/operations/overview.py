"""How Loa does: problems and what to do, channels, quotas, bounces, imports; pauses."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.delivery import ChannelName
from contracts.errors import ContractError
from producers.desk import rendering
from producers.desk.visit import Visit

READ = ("operate", "edit", "propose-urgent", "approve", "audit")
OPERATE = "operate"
_PATH = "/van-hanh"


async def show(visit: Visit) -> Response:
    done = rendering.desk_texts()["ops"]["done"].get(visit.request.query_params.get("xong"), "")
    view = await visit.desk.services.operations.view()
    return visit.page("operations.html", view=view, done=done, asked="")


def _channel(visit: Visit) -> ChannelName:
    """The channel of the address. Raises HTTPException (404) for anything else."""
    try:
        return ChannelName(visit.request.path_params["channel"])
    except ValueError as unknown:
        raise HTTPException(HTTPStatus.NOT_FOUND) from unknown


async def pause(visit: Visit) -> Response:
    service, channel = visit.desk.services.operations, _channel(visit)
    try:
        await service.pause(visit.visitor, channel, visit.value("reason"))
    except ContractError as refused:
        view = await service.view()
        return visit.refused_page("operations.html", refused, view=view, done="", asked=channel)
    return rendering.redirect(f"{_PATH}?xong=tam-dung")


async def resume(visit: Visit) -> Response:
    channel = _channel(visit)
    await visit.desk.services.operations.resume(visit.visitor, channel, visit.value("reason"))
    return rendering.redirect(f"{_PATH}?xong=chay-tiep")
