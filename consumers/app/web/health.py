"""The health endpoints `/livez` and `/readyz`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
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
FindingReport = Callable[[dict[str, str]], dict[str, Any]]
"""The findings of `loa status` without their texts, given the checks that fail now, and when the
facts of the bus behind them were read."""


_CHECK_TIMEOUT_S = 3.0


async def _no_report() -> dict[str, Any]:
    return {}


def health_app(
    checks: dict[str, HealthCheck],
    blocked: Callable[[], dict[str, str]] = dict,
    canaries: Report = _no_report,
    filling: Callable[[], dict[str, int]] = dict,
    unseen: Report = _no_report,
    damaged: Report = _no_report,
    log_losses: Callable[[], dict[str, int]] = dict,
    failing_channels: Callable[[], dict[str, str]] = dict,
    findings: FindingReport = lambda _: {},
) -> ASGIApp:
    """Serve `/livez` (the process answers) and `/readyz` (so does everything that it needs).

    Blocked channels, late canaries, full streams (percent), unseen pages, a damaged bus degrade it.
    """

    async def readyz(_: Request) -> JSONResponse:
        failing = await failing_checks(checks)
        reports: dict[str, dict[str, Any]] = {
            "standing": blocked(),
            "canary": await canaries(),
            "filling": filling(),
            "unseen": await unseen(),
            "damaged": await damaged(),
            "log": log_losses(),
            "trouble": failing_channels(),
        }
        return _answer(failing, reports, findings(failing))

    return create_app(Route("/livez", _livez), Route("/readyz", readyz))


def _answer(
    failing: dict[str, str], reports: dict[str, dict[str, Any]], found: dict[str, Any]
) -> JSONResponse:
    status = "failing" if failing else "degraded" if _is_degraded(reports) else "ok"
    told = {name: value for name, value in {**reports, **found}.items() if value}
    return JSONResponse({"status": status, "failing": failing, **told}, 503 if failing else 200)


async def _livez(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def create_app(*routes: Route) -> Starlette:
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False  # its redirects would trust the Host header
    return app


async def failing_checks(checks: Mapping[str, HealthCheck]) -> dict[str, str]:
    """The problems that the checks find now, by name; a check that takes too long is one."""
    problems = await asyncio.gather(*map(_problem, checks.values()))
    return {name: problem for name, problem in zip(checks, problems, strict=True) if problem}


async def _problem(check: HealthCheck) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return "no answer"


def _is_degraded(reports: dict[str, dict[str, Any]]) -> bool:
    """Whether a report shows trouble; an operator's pause is none."""
    broken = any(reason != PAUSED_REASON for reason in reports["standing"].values())
    late = any(canary["state"] == "late" for canary in reports["canary"].values())
    almost_full = max(reports["filling"].values(), default=0) >= ERROR_PERCENT
    return broken or late or almost_full or bool(reports["unseen"] or reports["damaged"])
