"""The dry run of an item: whom it would reach, when it would leave, what it would cost."""

from starlette.responses import Response

from contracts.errors import Invalid
from producers.desk.delivery.wanted import wanted_item
from producers.desk.visit import Visit


async def show_dry_run(visit: Visit) -> Response:
    """What approving the item now would do; `?ban=` names a revision."""
    try:
        run = await visit.desk.services.dry_runs.dry_run(wanted_item(visit))
    except Invalid as unfinished:
        return visit.refused_page("not_shown.html", unfinished)
    return visit.page("dry_run.html", run=run)
