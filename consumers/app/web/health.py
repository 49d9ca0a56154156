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


BlockedChannels = Callable[[], dict[str, str]]
"""Blocked channels, and why."""


CanaryReport = Callable[[], Awaitable[dict[str, dict[str, Any]]]]
"""What the canaries prove of each channel."""


StreamUsage = Callable[[], dict[str, int]]
"""Which streams and buckets fill up, in percent."""


ReadbackReport = Callable[[], Awaitable[dict[str, Any]]]
"""Where readers can't see what the portal has written, and why."""


def no_blocked_channels() -> dict[str, str]:
    """No channel is blocked."""
    return {}


def no_stream_usage() -> dict[str, int]:
    """No stream fills up."""
    return {}


async def no_canaries() -> dict[str, dict[str, Any]]:
    return {}


async def no_readback_failure() -> dict[str, Any]:
    return {}


def health_app(
    checks: dict[str, HealthCheck],
    standing: BlockedChannels = no_blocked_channels,
    canaries: CanaryReport = no_canaries,
    filling: StreamUsage = no_stream_usage,
    unseen: ReadbackReport = no_readback_failure,
) -> ASGIApp:
    """`/livez`: the process answers. `/readyz`: everything it needs does too, each by name.

    Blocked channels and late canaries are named as well. They are no failure of this process, and
    taking it out of service would not help. A pause is no trouble at all.
    Streams that fill up are named, and are trouble when they are almost full. So is a portal whose
    readers can't see what was written.
    """

    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        wrong = await failing_checks(checks)
        channels, birds, full = standing(), await canaries(), filling()
        blind = await unseen()
        said = {"standing": channels, "canary": birds, "filling": full, "unseen": blind}
        body: dict[str, Any] = {"status": "failing" if wrong else "ok", "failing": wrong}
        body |= {name: what for name, what in said.items() if what}
        if not wrong and (blind or is_almost_full(full) or has_channel_trouble(channels, birds)):
            body["status"] = "degraded"
        return JSONResponse(body, 503 if wrong else 200)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz)])


def is_almost_full(filling: dict[str, int]) -> bool:
    """Whether one of them will soon take nothing more."""
    return max(filling.values(), default=0) >= ERROR_PERCENT


async def failing_checks(checks: dict[str, HealthCheck]) -> dict[str, str]:
    """What this process needs and does not have now."""
    names = list(checks)
    said = await asyncio.gather(*(checks[name]() for name in names))
    return {name: what for name, what in zip(names, said, strict=True) if what}


def has_channel_trouble(channels: dict[str, str], birds: dict[str, dict[str, Any]]) -> bool:
    """Whether a channel is broken or its canary late; an operator's pause is no trouble."""
    broken = any(why != PAUSED_REASON for why in channels.values())
    return broken or any(one["state"] == "late" for one in birds.values())
