"""Signing in, also after a session has ended, and out; the first sign-in with an invitation."""

from urllib.parse import urlencode

from starlette.responses import Response

from contracts.errors import ContractError
from contracts.staff.sign_in import Activation, Attempt, local_path
from producers.desk import rendering
from producers.desk.credential_forms import app_facts, new_password
from producers.desk.editor.typed_text import find_typed
from producers.desk.errors import NotSignedIn
from producers.desk.oidc import signed_out_page
from producers.desk.visit import Visit

_PATH, _RETURN_TO = "/dang-nhap", "ve"
"""The address of the sign-in, and its parameter that names the page to return to."""


def sign_in_path(page: str) -> str:
    """The address of the sign-in that returns to *page*."""
    kept = local_path(page)
    return _PATH if kept == "/" else f"{_PATH}?{urlencode({_RETURN_TO: kept})}"


async def show_sign_in(visit: Visit) -> Response:
    back = local_path(visit.request.query_params.get(_RETURN_TO, "/"))
    if visit.person:
        return rendering.redirect(back)
    return visit.page("sign_in.html", login="", back=back)


async def sign_in(visit: Visit) -> Response:
    """Open a session with a new token; the browser's session before it, if any, ends."""
    login = visit.value("login").strip()
    back = local_path(visit.value(_RETURN_TO))
    attempt = Attempt(login, visit.value("password"), visit.value("code"), visit.network)
    try:
        token = await visit.desk.services.staff.sign_in(attempt)
    except ContractError as refused:
        return visit.refused_page("sign_in.html", refused, login=login, back=back)
    return await _opened(visit, token, back)


async def show_activation(visit: Visit) -> Response:
    return visit.page("activate.html", login="", **app_facts(visit, ""))


async def activate(visit: Visit) -> Response:
    """Set password and authenticator app with an invitation, and sign in."""
    login = visit.value("login").strip()
    without_app = bool(visit.value("without_app"))
    try:
        activation = Activation(
            login,
            invitation=visit.value("invitation"),
            password=new_password(visit),
            totp=None if without_app else visit.desk.services.staff.app_secret(visit.token),
            code=visit.value("new_code"),
            network=visit.network,
        )
        token = await visit.desk.services.staff.activate(activation)
    except ContractError as refused:
        facts = app_facts(visit, login)
        return visit.refused_page("activate.html", refused, login=login, **facts)
    return await _opened(visit, token)


async def _opened(visit: Visit, token: str, back: str = "/") -> Response:
    await visit.desk.services.staff.sign_out(visit.token)
    visit.open(token)
    return rendering.redirect(back)


async def sign_out(visit: Visit) -> Response:
    await visit.desk.services.staff.sign_out(visit.token)
    answer = await signed_out_page(visit)
    visit.desk.cookie.remove(answer)
    return answer


async def ended_session_page(visit: Visit) -> Response:
    """The page after a form of an ended session: nothing was done; what was typed is shown."""
    typed, path = await find_typed(visit), sign_in_path(visit.page_before)
    return visit.page("ended_session.html", NotSignedIn.status, typed=typed, path=path)
