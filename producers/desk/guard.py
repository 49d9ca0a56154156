"""Admission of a request: forged or not, signed in, role, second factor, step-up."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from contracts.base.fields import ID_PATTERN
from contracts.desk.kept_texts import NEW_ITEM
from contracts.errors import RateLimited, Unauthorized
from producers.desk import rendering
from producers.desk.errors import (
    ForeignRequest,
    NotAllowed,
    NotSignedIn,
    SecondFactorMissing,
    WrongAddress,
)
from producers.desk.items.joining import title_of
from producers.desk.oidc import step_up_path
from producers.desk.sign_in import sign_in_path
from producers.desk.visit import (
    CODE_FIELD,
    OWN,
    PUBLIC,
    SEAL_FIELD,
    DeskParts,
    DeskRoute,
    Visit,
)
from producers.desk.web_session import (
    is_own_request,
    is_sealed,
    is_under_other_address,
    visitor_token,
)
from producers.pages import file_forms, forms

_CONTRACT_ID = re.compile(ID_PATTERN.strip("^$"))
_TEXT_ID = re.compile(f"{_CONTRACT_ID.pattern}|{NEW_ITEM}")
_KEY = re.compile(r"[-_=A-Za-z0-9]{1,200}(?:\.[-_=A-Za-z0-9]{1,200}){0,9}")
_SHAPES = {"content_id": _TEXT_ID, "unit": _CONTRACT_ID, "channel": _CONTRACT_ID, "id": _KEY}
"""The form of an id in an address: none has the wildcards of subjects in it."""


@dataclass(frozen=True)
class Guard:
    """Lets a request reach the handler of its route, or not."""

    desk: DeskParts

    def endpoint(self, route: DeskRoute) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of *route*."""

        async def answer(request: Request) -> Response:
            try:
                visit = await self._admit(request, route)
            except NotSignedIn:
                if request.method == "POST":
                    raise
                return rendering.redirect(sign_in_path(_page_of(request)))
            if route.takes_file:
                return await self._answer_with_file(route, visit)
            return await self._answer(route, visit)

        return answer

    async def _answer(self, route: DeskRoute, visit: Visit) -> Response:
        response = await self._step_up(route, visit) or await route.handler(visit)
        if visit.new_token:
            self.desk.cookie.set(response, visit.new_token)
        return response

    async def _answer_with_file(self, route: DeskRoute, visit: Visit) -> Response:
        """Read the form with its file, now that the person may send one. Raises RateLimited."""
        visit.is_form_read = True
        slot = self.desk.file_slots.held(visit.visitor.account.id)
        reading = file_forms.read_file_form(visit.request, route.form_bytes)
        async with slot, reading as (visit.form, visit.file, visit.is_file_too_large):
            self._check_seal(route, visit, visit.token)
            return await self._answer(route, visit)

    async def _admit(self, request: Request, route: DeskRoute) -> Visit:
        """Raises Refused, or HTTPException for what no page or form of ours sends."""
        _require_ids(request.path_params)
        token = self.desk.cookie.read(request)
        visit = Visit(self.desk, request, token or visitor_token(), form_bytes=route.form_bytes)
        request.state.visit = visit
        is_own = is_own_request(request.method, request.headers, self.desk.url)
        if not (is_own or route.from_server):
            is_ours = is_under_other_address(request.headers, self.desk.url)
            raise WrongAddress if is_ours else ForeignRequest
        if route.form_bytes > forms.FORM_BYTES:
            await self._check_person(route, visit, token)
        if route.method == "POST" and not route.takes_file:
            await visit.read_form()
            self._check_seal(route, visit, token)
        if visit.person is None:
            await self._check_person(route, visit, token)
        return visit

    async def _check_person(self, route: DeskRoute, visit: Visit, token: str) -> None:
        if token and not route.from_server:
            visit.person = await self.desk.services.staff.find(token)
        if route.access != PUBLIC:
            _require_access(route, visit)

    def _check_seal(self, route: DeskRoute, visit: Visit, token: str) -> None:
        key, path = self.desk.services.seal_key, visit.request.url.path
        if not route.from_server and not is_sealed(key, token, path, visit.value(SEAL_FIELD)):
            raise ForeignRequest

    async def _step_up(self, route: DeskRoute, visit: Visit) -> Response | None:
        """The page that asks for a code, where *route* needs one and no fresh one was given."""
        if not _needs_step_up(route, visit):
            return None
        name = visit.request.path_params.get("content_id", "")
        item = (await title_of(visit, name) or name) if name else ""
        shown: dict[str, Any] = {"act": _act_name(route, visit), "item": item}
        shown |= {"kept": visit.kept_fields, "provider_path": step_up_path(visit)}
        if not (code := visit.value(CODE_FIELD)):
            return visit.page("step_up.html", HTTPStatus.FORBIDDEN, **shown)
        staff = self.desk.services.staff
        try:
            visit.open(await staff.step_up(visit.token, code, visit.network))
        except (Unauthorized, RateLimited) as refused:
            return visit.refused_page("step_up.html", refused, **shown)
        visit.person = await staff.find(visit.token, has_arrived=False)
        return None


def _require_ids(found: Mapping[str, str]) -> None:
    """Raises HTTPException for an address whose ids are none; no handler checks them again."""
    for name, shape in _SHAPES.items():
        if name in found and not shape.fullmatch(found[name]):
            raise HTTPException(HTTPStatus.NOT_FOUND)


def _page_of(request: Request) -> str:
    url = request.url
    return f"{quote(url.path)}?{url.query}" if url.query else quote(url.path)


def _act_name(route: DeskRoute, visit: Visit) -> str:
    """Name of the act of *route*'s form, as the table of roles has it."""
    actions = visit.desk.services.staff.role_table().actions
    return next((one.name for one in actions if one.id == route.access), "")


def _needs_step_up(route: DeskRoute, visit: Visit) -> bool:
    if route.method != "POST" or route.access == PUBLIC:
        return False
    if route.access == OWN:
        return route.signs_in and visit.visitor.needs_step_up_to_sign_in
    return isinstance(route.access, str) and visit.visitor.needs_step_up(route.access)


def _require_access(route: DeskRoute, visit: Visit) -> None:
    """Raises NotSignedIn, NotAllowed or SecondFactorMissing."""
    visitor = visit.visitor
    if route.access == OWN:
        return
    if not any(map(visitor.may, route.actions)):
        raise NotAllowed
    if visitor.lacks_second_factor:
        raise SecondFactorMissing
