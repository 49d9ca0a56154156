"""The health endpoints `/livez` and `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from consumers.channel_health.pauses import PAUSED_REASON
from consumers.operations.capacity import ERROR_PERCENT

HealthCheck = Callable[[], Awaitable[str | None]]
"""A check: the problem it finds, or None."""
Report = Callable[[], Awaitable[dict[str, Any]]]


async def _no_report() -> dict[str, Any]:
    return {}


def health_app(
    checks: dict[str, HealthCheck],
    standing: Callable[[], dict[str, str]] = dict,
    canaries: Report = _no_report,
    filling: Callable[[], dict[str, int]] = dict,
    unseen: Report = _no_report,
) -> ASGIApp:
    """`/livez`: the process answers. `/readyz`: everything it needs does too, each by name.

    Blocked channels (*standing*), late canaries, streams that fill up (in percent) and a portal
    whose readers can't see new pages (*unseen*) degrade it: taking the process out of service would
    not help. A pause is no trouble at all.
    """

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        failing = await _failing_checks(checks)
        channels, canary, full = standing(), await canaries(), filling()
        blind = await unseen()
        reports = {"standing": channels, "canary": canary, "filling": full, "unseen": blind}
        body: dict[str, Any] = {"status": "failing" if failing else "ok", "failing": failing}
        body |= {name: report for name, report in reports.items() if report}
        almost_full = max(full.values(), default=0) >= ERROR_PERCENT
        if not failing and (blind or almost_full or _has_channel_trouble(channels, canary)):
            body["status"] = "degraded"
        return JSONResponse(body, 503 if failing else 200)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz)])


async def _failing_checks(checks: dict[str, HealthCheck]) -> dict[str, str]:
    """What this process needs and does not have now."""
    names = list(checks)
    problems = await asyncio.gather(*(checks[name]() for name in names))
    return {name: problem for name, problem in zip(names, problems, strict=True) if problem}


def _has_channel_trouble(channels: dict[str, str], canaries: dict[str, Any]) -> bool:
    """Whether a channel is broken or its canary late; an operator's pause is no trouble."""
    broken = any(why != PAUSED_REASON for why in channels.values())
    return broken or any(canary["state"] == "late" for canary in canaries.values())
