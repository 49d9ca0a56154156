"""Sign-in with the ministry's identity provider, and the people it vouches for.

The browser comes back from the provider by a redirect, on which it sends no `Strict` cookie. So the
callback answers with a page that goes on to `/oidc/xong`: that request is the desk's own.
"""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from contracts.base.networks import wider_group
from contracts.errors import Unauthorized
from contracts.staff.oidc import OidcArrival
from producers.desk import rendering
from producers.desk.errors import ForeignRequest, TooManyArrivals
from producers.desk.services import OidcService
from producers.desk.visit import Visit

_START_PATH, _FINISH_PATH = "/oidc/vao", "/oidc/xong"
_RESPONSE_NAMES = ("code", "state", "iss", "error")
_MAX_VALUE = 4096
_FOREIGN_SITES = ("cross-site", "same-site")


def _service(visit: Visit) -> OidcService:
    """Raises HTTPException (404) where no identity provider is set."""
    if visit.desk.services.oidc is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return visit.desk.services.oidc


async def start(visit: Visit) -> Response:
    """Send the browser to the provider; `buoc=1`: for a step-up of the present session."""
    oidc, asked = _service(visit), visit.request.query_params
    if visit.request.headers.get("sec-fetch-site") in _FOREIGN_SITES:
        raise ForeignRequest
    step_up_of = visit.visitor.account.id if asked.get("buoc") else ""
    beginning = await oidc.begin(asked.get("ve", "/"), step_up_of)
    answer = Response(status_code=HTTPStatus.SEE_OTHER, headers={"Location": beginning.url})
    visit.desk.provider_cookie.set(answer, beginning.cookie)
    return answer


async def come_back(visit: Visit) -> Response:
    """The callback: a page that goes on by itself, from this site."""
    _service(visit)
    path = f"{_FINISH_PATH}?{urlencode(_response_of(visit))}"
    page = visit.page("oidc_return.html", path=path)
    page.headers["Refresh"] = f"0; url={path}"
    return page


async def finish(visit: Visit) -> Response:
    """Open the session. Raises Unauthorized with the reason of a refusal, Unavailable."""
    if visit.desk.arrivals.take(wider_group(visit.network)):
        raise TooManyArrivals
    cookie = visit.desk.provider_cookie
    arrival = OidcArrival(
        _response_of(visit), cookie.read(visit.request), visit.token, visit.network
    )
    finished = await _service(visit).finish(arrival)
    visit.open(finished.token)
    answer = rendering.redirect(finished.return_to)
    cookie.remove(answer)
    return answer


def _response_of(visit: Visit) -> Mapping[str, str]:
    """The parameters of the provider's answer; a repeated one is malformed and left out."""
    query = visit.request.query_params
    values = {name: query.getlist(name) for name in _RESPONSE_NAMES}
    single = {name: given[0] for name, given in values.items() if len(given) == 1}
    return {name: value for name, value in single.items() if len(value) <= _MAX_VALUE}


async def end_sessions(visit: Visit) -> Response:
    """Back-channel logout: the provider's server names the session that it has ended."""
    try:
        await _service(visit).end_sessions(visit.value("logout_token"))
    except Unauthorized:
        answer = {"error": "invalid_request"}
        return JSONResponse(answer, HTTPStatus.BAD_REQUEST)
    return Response()


async def signed_out_page(visit: Visit) -> Response:
    """The page after a sign-out, with the way out of the provider for who came from there."""
    texts, oidc = rendering.desk_texts(), visit.desk.services.oidc
    said = texts["page"]["out"]
    is_of_provider = visit.person is not None and visit.person.session.provider is not None
    url = await oidc.sign_out_url() if oidc and is_of_provider else None
    more = [{"path": url, "text": texts["link"]["provider_sign_out"]}] if url else []
    said = said | {"links": [*said["links"], *more]}
    return visit.desk.services.pages.render("message.html", said=said, visit=None)


def step_up_path(visit: Visit) -> str:
    """The way to a step-up through the provider, and back to the page of the form; or nothing."""
    oidc, person = visit.desk.services.oidc, visit.person
    if oidc is None or person is None or person.session.provider is None or not oidc.can_step_up:
        return ""
    page = urlsplit(visit.request.headers.get("referer", ""))
    back = f"{page.path}?{page.query}" if page.query else page.path
    return f"{_START_PATH}?buoc=1&ve={quote(back or '/', safe='')}"
