"""Every refusal as a problem document (RFC 9457) that names the fields, in both languages."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from contracts.envelope import header_of
from contracts.errors import ContractError, FieldError, field_error, printable
from contracts.events import loggable_fields
from producers.admission import unavailable_error
from producers.bus import BusError
from producers.gateway.responses import PROBLEM_TYPE, Problem, is_trial, trial_headers
from producers.metrics.refusal_log import RefusalLog
from producers.texts import catalog, get_text

_CLIENT_CLOSED_REQUEST = 499
_MAX_DETAIL_LENGTH = 2000
_OTHER_VERSION = re.compile(r"/(v(?!1(?:/|$))\d)(?:/|$)")

log = structlog.get_logger()


def install_handlers(app: Starlette) -> None:
    """Answer every error of *app*, expected or not, with a problem document."""
    app.state.refusals = RefusalLog()
    handlers: dict[Any, Callable[[Request, Any], Any]] = {
        ContractError: _on_contract_error,
        HTTPException: _on_http_error,
        BusError: _on_bus_error,
        ClientDisconnect: _on_disconnect,
        Exception: _on_crash,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _problem_response(
    request: Request, status: int, errors: list[FieldError], headers: dict[str, str]
) -> Response:
    """The problem document. `type` is about:blank: status and fields carry all information."""
    name = str(status) if str(status) in catalog()["problem"] else "other"
    title = get_text("problem", name)
    body = Problem(
        type="about:blank",
        title=title.en,
        title_vi=title.vi,
        status=status,
        detail=_detail((error.field, error.message) for error in errors),
        detail_vi=_detail((error.field, error.message_vi) for error in errors),
        instance=printable(request.url.path, _MAX_DETAIL_LENGTH),
        errors=errors,
        trial=is_trial(request),
    )
    headers = headers | trial_headers(request)
    return JSONResponse(body.model_dump(), status, headers, media_type=PROBLEM_TYPE)


def _detail(said: Iterable[tuple[str, str]]) -> str:
    """The errors of all fields as one text."""
    return printable("; ".join(f"{field}: {text}" for field, text in said), _MAX_DETAIL_LENGTH)


async def _on_contract_error(request: Request, error: ContractError) -> Response:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    about = getattr(request.state, "about", {})
    request.app.state.refusals.add(error.code, loggable_fields(error.errors), about)
    return _problem_response(request, error.status, _as_sent(request, error.errors), headers)


def _as_sent(request: Request, errors: Sequence[FieldError]) -> list[FieldError]:
    """The errors with fields named as the sender wrote them: in binary mode `ce-source`."""
    if not getattr(request.state, "is_binary", False):
        return list(errors)
    names = [header_of(error.field, request.headers) for error in errors]
    pairs = zip(errors, names, strict=True)
    return [error.model_copy(update={"field": name}) for error, name in pairs]


async def _on_bus_error(request: Request, error: BusError) -> Response:
    log.warning("bus_did_not_answer", reason=str(error))
    return await _on_contract_error(request, unavailable_error())


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    """Answer unknown paths and methods."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        wrong = field_error("method", "method_not_allowed", value=request.method)
    elif version := _OTHER_VERSION.match(request.url.path):
        wrong = field_error("path", "version_unknown", value=version[1])
    elif error.status_code == HTTPStatus.NOT_FOUND:
        wrong = field_error("path", "not_found", value=request.url.path)
    elif error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        wrong = get_text("problem", "slow", limit_s=error.detail).as_field_error("body")
    else:
        wrong = get_text("problem", "refused", status=error.status_code).as_field_error("request")
    return _problem_response(request, error.status_code, [wrong], dict(error.headers or {}))


async def _on_disconnect(_: Request, __: ClientDisconnect) -> Response:
    """The client has disconnected; the answer is never read."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _on_crash(request: Request, error: Exception) -> Response:
    log.error("request_crashed", error=type(error).__name__)
    shown = get_text("problem", "crash").as_field_error("request")
    return _problem_response(request, 500, [shown], {})
