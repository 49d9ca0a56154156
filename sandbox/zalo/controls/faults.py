"""Faults on demand: failures of the network or of Zalo, before or after a call's effect."""

import asyncio
from enum import StrEnum
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict

from sandbox.zalo.middleware import WORLD, access_error, error_response
from sandbox.zalo.scheduler import SCHEDULER

_BAD_GATEWAY = 502
_PAGE = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"


class FaultKind(StrEnum):
    """`*_before`: the call has no effect; otherwise the effect happens.

    `late_effect` drops the connection, and the effect comes `late_s` later on the sandbox's clock.
    """

    DROP_BEFORE = "drop_before"
    HANG_BEFORE = "hang_before"
    HTML_BEFORE = "html_before"
    REFUSE = "refuse"
    DROP_AFTER = "drop_after"
    HANG_AFTER = "hang_after"
    HTML_AFTER = "html_after"
    SLOW_AFTER = "slow_after"
    TRUNCATE_AFTER = "truncate_after"
    EMPTY_AFTER = "empty_after"
    ERROR_AFTER = "error_after"
    LATE_EFFECT = "late_effect"


_BEFORE_EFFECT = {
    FaultKind.DROP_BEFORE,
    FaultKind.HANG_BEFORE,
    FaultKind.HTML_BEFORE,
    FaultKind.REFUSE,
}


class Fault(BaseModel):
    """A fault of calls of `route`: the first `skip` calls pass, the next `times` fail."""

    model_config = ConfigDict(extra="forbid")

    route: str
    kind: FaultKind
    times: int = 1
    skip: int = 0
    delay_s: float = 30.0
    late_s: float = 60.0
    status: int = _BAD_GATEWAY
    code: int = -200
    words: str = "Send message failed"

    def applies_now(self) -> bool:
        """Count one call; whether the fault applies to it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0


class Faults:
    """Planned faults, oldest first; the first one that applies is used."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def take(self, route: str) -> Fault | None:
        matching = (fault for fault in self.planned if fault.route == route)
        return next((fault for fault in matching if fault.applies_now()), None)


FAULTS = web.AppKey("faults", Faults)


@web.middleware
async def fault_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply the planned fault to this call."""
    fault = request.app[FAULTS].take(request.match_info.route.name or "")
    if fault is None:
        return await handler(request)
    if fault.kind is FaultKind.LATE_EFFECT:
        return await _postpone(request, fault)
    if fault.kind in _BEFORE_EFFECT:
        return await _apply_fault(request, fault, web.Response())
    answer = await handler(request)
    if fault.kind is FaultKind.SLOW_AFTER:
        await asyncio.sleep(fault.delay_s)
        return answer
    return await _apply_fault(request, fault, answer)


async def _postpone(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Postpone the effect and drop the connection; a call without access is refused at once."""
    await request.read()
    no = access_error(request)
    if no is not None:
        return no
    due = request.app[WORLD].clock() + fault.late_s
    request.app[SCHEDULER].late_effects.waiting.append(
        (due, partial(request.match_info.handler, request))
    )
    return await _apply_fault(request, fault, web.Response())


async def _apply_fault(
    request: web.Request, fault: Fault, answer: web.StreamResponse
) -> web.StreamResponse:
    match fault.kind:
        case FaultKind.REFUSE | FaultKind.ERROR_AFTER:
            return error_response(fault.code, fault.words)
        case FaultKind.HTML_BEFORE | FaultKind.HTML_AFTER:
            return web.Response(status=fault.status, text=_PAGE, content_type="text/html")
        case FaultKind.EMPTY_AFTER:
            return web.Response()
        case FaultKind.TRUNCATE_AFTER:
            return _truncated(answer)
        case FaultKind.HANG_BEFORE | FaultKind.HANG_AFTER:
            await asyncio.sleep(fault.delay_s)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _truncated(answer: web.StreamResponse) -> web.Response:
    body = answer.body if isinstance(answer, web.Response) else b""
    text = body if isinstance(body, bytes) else b""
    return web.Response(body=text[: len(text) // 2], content_type="application/json")
