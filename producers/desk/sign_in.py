"""Signing in and out, and the first sign-in with an invitation."""

from starlette.responses import Response

from contracts.errors import ContractError
from contracts.staff.sign_in import Activation, Attempt
from producers.desk import rendering
from producers.desk.credential_forms import app_facts, new_password
from producers.desk.oidc import signed_out_page
from producers.desk.visit import Visit


async def show_sign_in(visit: Visit) -> Response:
    if visit.person:
        return rendering.redirect("/")
    return visit.page("sign_in.html", login="")


async def sign_in(visit: Visit) -> Response:
    """Open a session with a new token; the browser's session before it, if any, ends."""
    login = visit.value("login").strip()
    attempt = Attempt(login, visit.value("password"), visit.value("code"), visit.network)
    try:
        token = await visit.desk.services.staff.sign_in(attempt)
    except ContractError as refused:
        return visit.refused_page("sign_in.html", refused, login=login)
    return await _opened(visit, token)


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


async def _opened(visit: Visit, token: str) -> Response:
    await visit.desk.services.staff.sign_out(visit.token)
    visit.open(token)
    return rendering.redirect("/")


async def sign_out(visit: Visit) -> Response:
    await visit.desk.services.staff.sign_out(visit.token)
    answer = await signed_out_page(visit)
    visit.desk.cookie.remove(answer)
    return answer
