"""Sign-in of a terminal: the code that `loa login` shows, and the person's agreement."""

from starlette.responses import Response

from contracts.errors import ContractError
from producers.desk.visit import Visit

_CODE_FIELD = "terminal_code"


async def show_code_form(visit: Visit) -> Response:
    return visit.page("terminal_code.html")


async def show_terminal(visit: Visit) -> Response:
    """Which terminal waits: the person sees it before letting it in."""
    code = visit.value(_CODE_FIELD)
    try:
        waiting = await visit.visitor.find_terminal(code, visit.network)
    except ContractError as refused:
        return visit.refused_page("terminal_code.html", refused)
    return visit.page("terminal.html", waiting=waiting, code=code)


async def confirm_terminal(visit: Visit) -> Response:
    """Let the terminal in, under the person's own account. Raises Invalid, RateLimited."""
    await visit.visitor.confirm_terminal(visit.value(_CODE_FIELD), visit.network)
    return visit.desk.services.pages.message_page("terminal_signed_in", 200, visit)
