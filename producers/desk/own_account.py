"""The start page, and one's own account: password, authenticator app, mail, sessions."""

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from contracts.desk.staff_mail import OPTIONAL_KINDS, MailChoice, MailSettings
from contracts.errors import ContractError
from contracts.staff.sign_in import AppChange, PasswordChange
from producers.desk import rendering
from producers.desk.credential_forms import app_facts, new_password
from producers.desk.visit import Visit

_ACCOUNT_PATH = "/tai-khoan"
_MORNING = "morning"


async def show_start(visit: Visit) -> Response:
    """Who one is, and what one may do."""
    roles = visit.desk.services.staff.role_names()
    return visit.page("start.html", roles=roles, abilities=visit.visitor.abilities())


async def show_account(visit: Visit) -> Response:
    return visit.page("account.html", **await _account_facts(visit))


async def _account_facts(visit: Visit) -> dict[str, Any]:
    return {
        "mail": visit.visitor.mail_settings(),
        "sessions": await visit.visitor.sessions(),
        "done": rendering.desk_texts()["done"].get(visit.request.query_params.get("xong"), ""),
    }


async def change_password(visit: Visit) -> Response:
    """Every other session of the account ends; this browser gets a new one."""
    try:
        change = PasswordChange(visit.value("password"), new_password(visit), visit.network)
        visit.open(await visit.visitor.change_password(change))
    except ContractError as refused:
        facts = await _account_facts(visit)
        return visit.refused_page("account.html", refused, **facts)
    return _done("mat-khau")


async def set_mail(visit: Visit) -> Response:
    """Change the mail address, and of what one is told by mail."""
    wanted = visit.form.get("kinds", [])
    off = tuple(kind for kind in OPTIONAL_KINDS if kind not in wanted)
    settings = MailSettings(
        visit.value("email").strip(),
        MailChoice(in_morning=visit.value("when") == _MORNING, off=off),
    )
    try:
        await visit.visitor.set_mail(settings)
    except ContractError as refused:
        facts = await _account_facts(visit) | {"mail": settings}
        return visit.refused_page("account.html", refused, **facts)
    return _done("thu")


async def show_app(visit: Visit) -> Response:
    return visit.page("app.html", **app_facts(visit, visit.visitor.account.login))


async def change_app(visit: Visit) -> Response:
    """Replace the authenticator app; sessions like `change_password`."""
    change = AppChange(
        visit.value("password"),
        totp=visit.desk.services.staff.app_secret(visit.token),
        new_code=visit.value("new_code"),
        code=visit.value("code"),
        network=visit.network,
    )
    try:
        visit.open(await visit.visitor.change_app(change))
    except ContractError as refused:
        facts = app_facts(visit, visit.visitor.account.login)
        return visit.refused_page("app.html", refused, **facts)
    return _done("ung-dung")


async def end_session(visit: Visit) -> Response:
    """End one of one's own sessions. Raises HTTPException (404) for any other."""
    if not await visit.visitor.end_session(visit.value("session")):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return _done("phien")


async def end_all_sessions(visit: Visit) -> Response:
    await visit.visitor.end_all_sessions()
    answer = visit.desk.services.pages.message_page("out", 200)
    visit.desk.cookie.remove(answer)
    return answer


def _done(what: str) -> Response:
    return rendering.redirect(f"{_ACCOUNT_PATH}?xong={what}")
