"""Faults on demand: what the network or Zalo does to one call, before or after its effect."""

import asyncio
from enum import StrEnum
from functools import partial
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, model_validator

from channels.zalo.sandbox.heart import HEART
from channels.zalo.sandbox.wire import WORLD, refuse, verdict

BAD_GATEWAY = 502
PAGE = "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"


class Kind(StrEnum):
    """`*_before` leaves the call without its effect; after the others the effect is there.

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


BEFORE = {Kind.DROP_BEFORE, Kind.HANG_BEFORE, Kind.HTML_BEFORE, Kind.REFUSE}


class Fault(BaseModel):
    """What happens to calls of `route`: the first `skip` pass, the next `times` suffer."""

    model_config = ConfigDict(extra="forbid")

    route: str
    kind: Kind
    times: int = 1
    skip: int = 0
    delay_s: float = 30.0
    late_s: float = 60.0
    status: int = BAD_GATEWAY
    code: int = -200
    words: str = "Send message failed"

    @model_validator(mode="after")
    def possible(self) -> Self:
        """The id of a late upload never reaches anybody: it would be no effect at all."""
        if self.kind is Kind.LATE_EFFECT and "upload" in self.route:
            raise ValueError("an upload cannot be late")
        return self

    def strikes(self) -> bool:
        """Count one call; whether it suffers."""
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0


class Faults:
    """The faults that are set, oldest first; the first one that strikes counts."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def take(self, route: str) -> Fault | None:
        mine = (fault for fault in self.planned if fault.route == route)
        return next((fault for fault in mine if fault.strikes()), None)


FAULTS = web.AppKey("faults", Faults)


@web.middleware
async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the planned fault happen to this call."""
    fault = request.app[FAULTS].take(request.match_info.route.name or "")
    if fault is None:
        return await handler(request)
    if fault.kind is Kind.LATE_EFFECT:
        return await postponed(request, fault)
    if fault.kind in BEFORE:
        return await suffer(request, fault, web.Response())
    answer = await handler(request)
    if fault.kind is Kind.SLOW_AFTER:
        await asyncio.sleep(fault.delay_s)
        return answer
    return await suffer(request, fault, answer)


async def postponed(request: web.Request, fault: Fault) -> web.StreamResponse:
    """Zalo has taken the call on, and nobody hears of it; a call that it refuses is refused now."""
    await request.read()
    no = verdict(request)
    if no is not None:
        return no
    due = request.app[WORLD].clock() + fault.late_s
    request.app[HEART].late.waiting.append((due, partial(request.match_info.handler, request)))
    return await suffer(request, fault, web.Response())


async def suffer(
    request: web.Request, fault: Fault, answer: web.StreamResponse
) -> web.StreamResponse:
    match fault.kind:
        case Kind.REFUSE | Kind.ERROR_AFTER:
            return refuse(fault.code, fault.words)
        case Kind.HTML_BEFORE | Kind.HTML_AFTER:
            return web.Response(status=fault.status, text=PAGE, content_type="text/html")
        case Kind.EMPTY_AFTER:
            return web.Response()
        case Kind.TRUNCATE_AFTER:
            return half(answer)
        case Kind.HANG_BEFORE | Kind.HANG_AFTER:
            await asyncio.sleep(fault.delay_s)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def half(answer: web.StreamResponse) -> web.Response:
    body = answer.body if isinstance(answer, web.Response) else b""
    text = body if isinstance(body, bytes) else b""
    return web.Response(body=text[: len(text) // 2], content_type="application/json")
