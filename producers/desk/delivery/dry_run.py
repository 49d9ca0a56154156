"""The dry run of an item: whom it would reach, when it would leave, what it would cost.

A person may have its mail sent to their own address.
"""

import secrets
from urllib.parse import quote, urlencode

from starlette.responses import Response

from contracts.errors import Invalid, RateLimited, field_error
from producers.desk import rendering
from producers.desk.delivery.wanted import REVISION, read_revision, wanted_item
from producers.desk.visit import Visit

_CLICK_FIELD, _DONE = "lan-bam", "xong"
_MOST_CLICK = 64


async def show_dry_run(visit: Visit) -> Response:
    """Show the effects of approving the item now; `?ban=` names a revision."""
    try:
        run = await visit.desk.services.dry_runs.dry_run(wanted_item(visit))
    except Invalid as unfinished:
        return visit.refused_page("not_shown.html", unfinished, asked="dry_run")
    done = visit.request.query_params.get(_DONE, "")
    return visit.page("dry_run.html", run=run, click=secrets.token_urlsafe(16), done=done)


async def send_trial(visit: Visit) -> Response:
    """Send the item's mail to the person; a form that is sent twice sends one mail.

    Raises RateLimited, Forbidden.
    """
    wanted = wanted_item(visit)._replace(revision=read_revision(visit.value(REVISION)))
    if wait_s := visit.desk.trials.take(wanted.account):
        raise RateLimited(field_error("email", "too_many_trials"), retry_after_s=wait_s)
    try:
        await visit.desk.services.trials.send(wanted, visit.value(_CLICK_FIELD)[:_MOST_CLICK])
    except Invalid as refused:
        return visit.refused_page("not_shown.html", refused, asked="trial")
    query = urlencode({REVISION: wanted.revision or "", _DONE: "thu"})
    return rendering.redirect(f"/tin/{quote(wanted.content_id)}/se-toi-ai?{query}")
