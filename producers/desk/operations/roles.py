"""The table of roles and actions, for each person who is signed in."""

from starlette.responses import Response

from producers.desk.visit import Visit


async def show(visit: Visit) -> Response:
    roles = visit.desk.services.staff
    return visit.page("roles.html", table=roles.role_table(), names=roles.role_names())
