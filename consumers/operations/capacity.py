"""Capacity monitor: warn before a stream or bucket is full and refuses every write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from producers.bus import Bus, topology
from producers.bus.periodic import every

log = structlog.get_logger()
_POLL_S, _WARN_EVERY_S = 300.0, 3600.0
_WARN_PERCENT, ERROR_PERCENT = 80, 95


@dataclass
class CapacityMonitor:
    """`usage`: the streams with a limit, in percent of it, as last measured."""

    bus: Bus
    clock: Callable[[], float]
    usage: dict[str, int] = field(default_factory=dict)
    last_warned: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def filling_streams(self) -> dict[str, int]:
        """Streams above the warning level."""
        return _above_warning(self.usage)

    async def run(self) -> None:
        await every(_POLL_S, self.check)

    async def check(self) -> None:
        """Measure every stream and warn of full ones. Raises BusError."""
        self.usage = await stream_usage(self.bus)
        for name, full in self.filling_streams.items():
            self.warn(name, full)

    def warn(self, name: str, percent: int) -> None:
        """Warn once an hour, and at once when the error level is reached."""
        mark = ERROR_PERCENT if percent >= ERROR_PERCENT else _WARN_PERCENT
        last_mark, at = self.last_warned.get(name, (0, 0.0))
        if mark <= last_mark and self.clock() - at < _WARN_EVERY_S:
            return
        self.last_warned[name] = mark, self.clock()
        if mark == ERROR_PERCENT:
            log.error("stream_filling", stream=name, percent=percent)
        else:
            log.warning("stream_filling", stream=name, percent=percent)


async def filling_streams(bus: Bus) -> dict[str, int]:
    """Streams above the warning level, in percent of their limit. Raises BusError."""
    return _above_warning(await stream_usage(bus))


async def stream_usage(bus: Bus) -> dict[str, int]:
    """The streams that have a limit, in percent of it. Raises BusError."""
    names = [*topology.stream_names(), *await topology.inbound_stream_names(bus)]
    infos = {name: await bus.stream_info(name) for name in names}
    limited = {name: info for name, info in infos.items() if info["config"]["max_bytes"] > 0}
    return {name: _percent_used(info) for name, info in limited.items()}


def _above_warning(usage: Mapping[str, int]) -> dict[str, int]:
    return {name: full for name, full in usage.items() if full >= _WARN_PERCENT}


def _percent_used(info: dict[str, Any]) -> int:
    return int(100 * info["state"]["bytes"] / info["config"]["max_bytes"])
