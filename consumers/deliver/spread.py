"""Spread a window over more sessions while a channel answers slowly.

A relay that thinks for seconds about each command leaves connections idle. Free permits of the
channel then help with one window at a time; they are given back with its last row.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Generic

import structlog

from channels.base import Canary, Deadline, Outcome, Recipient, Rendered, Session, Verdict
from channels.errors import ChannelError
from consumers.channel_health.trouble import PATIENCE_S, Trouble
from consumers.runtime.errors import RetryLater
from consumers.runtime.lanes import LaneSemaphore
from contracts.delivery import Lane

log = structlog.get_logger()
SLOW_ROW_S = 0.5
"""A row that takes longer waits for answers: a mail of 40 kB needs less on 640 kbit/s."""
_SLOW_OPENING_S = 2.0
_MIN_PART = 3
_WINDOW_PATIENCE_S, _SLOWER_BY = 2 * PATIENCE_S, 3


@dataclass
class AnswerSpeed:
    """How long a row takes, by a worker's latest window, or by the opening of its first session."""

    row_s: float = 0.0

    def note_opening(self, took_s: float) -> None:
        if not self.row_s and took_s > _SLOW_OPENING_S:
            self.row_s = took_s

    def patience_s(self, rows: int) -> float:
        """How long a window of *rows* may take, by the latest ones, until its host is silent."""
        return max(_WINDOW_PATIENCE_S, _SLOWER_BY * self.row_s * rows)

    @property
    def is_slow(self) -> bool:
        return self.row_s > SLOW_ROW_S


@dataclass
class _Work(Generic[Rendered]):
    """One window: the parts that no session has taken yet, and the outcomes by row."""

    rendered: Rendered
    rows: Sequence[Recipient]
    expired: Deadline
    parts: deque[range]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    async def drain(self, session: Session[Rendered]) -> None:
        """Send part after part on one session, until none is left or it can't go on.

        After a stop no part is begun: its session might wait for a new connection.
        """
        while self.parts and not self.expired():
            part = self.parts.popleft()
            rows = [self.rows[number] for number in part]
            sent = await session.send(self.rendered, rows, self.expired)
            self.outcomes |= dict(zip(part, sent, strict=True))
            if any(outcome.verdict is Verdict.UNSENT for outcome in sent):
                return

    def result(self) -> list[Outcome]:
        unsent = next(
            (one for one in self.outcomes.values() if one.verdict is Verdict.UNSENT),
            Outcome(Verdict.UNSENT),
        )
        return [self.outcomes.get(number, unsent) for number in range(len(self.rows))]


@dataclass
class SpreadSession(Generic[Rendered]):
    """A batch's own session, and others that help it with slow windows."""

    main: Session[Rendered]
    open_session: Callable[[], AbstractAsyncContextManager[Session[Rendered]]]
    semaphore: LaneSemaphore
    lane: Lane
    speed: AnswerSpeed
    trouble: Trouble
    helping: dict[asyncio.Task[None], Session[Rendered]] = field(default_factory=dict)

    async def send(
        self, rendered: Rendered, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """Send the rows; one outcome per row, in order."""
        began, sessions = time.monotonic(), self.sessions_for(len(rows))
        with self.trouble.waiting(self.speed.patience_s(len(rows))):
            if sessions == 1:
                outcomes = await self.main.send(rendered, rows, expired)
            else:
                bounds = [len(rows) * number // sessions for number in range(sessions + 1)]
                parts = deque(map(range, bounds, bounds[1:]))
                outcomes = await self.spread(_Work(rendered, rows, expired, parts))
        if rows:
            self.speed.row_s = (time.monotonic() - began) * sessions / len(rows)
        return outcomes

    def sessions_for(self, rows: int) -> int:
        """How many sessions a window of *rows* may use."""
        wanted = rows // _MIN_PART if self.speed.is_slow else 1
        return max(min(wanted, 1 + self.semaphore.spare_capacity), 1)

    async def spread(self, work: _Work[Rendered]) -> list[Outcome]:
        """Work off the parts; a helper that is still without its session then is not waited for."""
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self.help(work)) for _ in range(len(work.parts) - 1)]
            await work.drain(self.main)
            for helper in helpers:
                if helper not in self.helping:  # it has sent nothing
                    helper.cancel()
        return work.result()

    async def help(self, work: _Work[Rendered]) -> None:
        """Send parts on one more connection, if the channel has one to spare."""
        async with self.semaphore.spare_permit(self.lane) as permit:
            if permit is None:
                return
            try:
                async with self.open_session() as session:
                    task = asyncio.current_task()
                    assert task is not None  # noqa: S101 -- a coroutine runs in one
                    self.helping[task] = session
                    try:
                        await work.drain(session)
                    finally:
                        del self.helping[task]
            except (ChannelError, RetryLater) as trouble:
                log.info("connection_not_added", reason=str(trouble))

    def abort(self) -> None:
        """Stop waiting for the provider, on every session."""
        for session in (self.main, *self.helping.values()):
            session.abort()

    async def resolve(self, rendered: Rendered, rows: Sequence[Recipient]) -> list[Outcome]:
        """Resolve rows in doubt."""
        return await self.main.resolve(rendered, rows)

    async def probe(self, canary: Canary) -> Outcome:
        """Send a canary."""
        return await self.main.probe(canary)
