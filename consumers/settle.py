"""What becomes of a message after its handler: the one place that acknowledges.

A handler returns (done: ack), raises Later (not yet: nak with a delay), or fails. A message that
breaks its contract becomes a dead letter that names the field. Everything else is tried again:
trouble with the bus at once, anything unforeseen ever more slowly.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog
from faststream import BaseMiddleware
from faststream.nats.message import NatsMessage
from nats.errors import Error as NatsError
from pydantic import ValidationError

from consumers.dead_letters import about
from contracts.crash import crash_point
from contracts.errors import ContractError, FieldError, explain
from producers.bus import BusError, Full

log = structlog.get_logger()
KEEP_ALIVE_S = 10.0
BUS_PAUSE_S = 1.0
SLOWEST_S = 60.0
STAGES = {
    "content": "intake",
    "case": "intake",
    "publication": "dispatch",
    "deliver": "deliver",
    "receipt": "feedback",
}


class Later(Exception):
    """Not done and not wrong: deliver this message again after `delay_s`."""

    def __init__(self, delay_s: float, why: str) -> None:
        super().__init__(why)
        self.delay_s = max(delay_s, 0.02)
        self.why = why


class Bury(Protocol):
    """Store a whole message as a dead letter; see `consumers.dead_letters`."""

    async def __call__(
        self, stage: str, message: NatsMessage, errors: Sequence[FieldError]
    ) -> None: ...


class Settle(BaseMiddleware[Any, Any]):
    """The broker's only middleware."""

    def __init__(self, msg: Any, *, context: Any, bury: Bury) -> None:
        super().__init__(msg, context=context)
        self.bury = bury

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> None:
        """Run the handler, then acknowledge as its outcome says."""
        with structlog.contextvars.bound_contextvars(stage=stage(msg)):
            async with kept_alive(msg):
                await self.decide(call_next, msg)

    async def decide(self, call_next: Callable[[Any], Awaitable[Any]], msg: NatsMessage) -> None:
        try:
            await call_next(msg)
        except Later as later:
            log.debug("put_off", why=later.why, delay_s=round(later.delay_s, 2))
            await msg.nack(delay=later.delay_s)
        except (ContractError, ValidationError) as broken:
            await self.reject(msg, broken)
        except (BusError, NatsError) as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await msg.nack(delay=BUS_PAUSE_S)
        except Exception:
            log.exception("handler_failed", deliveries=deliveries(msg))
            await msg.nack(delay=min(2.0 ** deliveries(msg), SLOWEST_S))
        else:
            await msg.ack()
            crash_point("settle.acked")

    async def reject(self, msg: NatsMessage, broken: ContractError | ValidationError) -> None:
        """Consequence first, acknowledgement second: a letter that can't be stored stays here."""
        errors = broken.errors if isinstance(broken, ContractError) else explain(broken)
        try:
            await self.bury(stage(msg), msg, errors)
            crash_point("dead.buried")
        except Full as full:
            log.error("dead_letters_full", detail=str(full), **said_of(msg))
            await msg.nack(delay=min(2.0 ** deliveries(msg), SLOWEST_S))
            return
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
            await msg.nack(delay=BUS_PAUSE_S)
            return
        log.warning("event_refused", fields=[error.field for error in errors], **said_of(msg))
        await msg.ack()


def stage(msg: NatsMessage) -> str:
    return STAGES[msg.raw_message.subject.partition(".")[0]]


def said_of(msg: NatsMessage) -> dict[str, str]:
    """Whose message it is and what it is about, as far as it can be read."""
    raw = msg.raw_message
    return about.read(raw.subject, raw.headers or {}, raw.data).bound


def deliveries(msg: NatsMessage) -> int:
    return int(msg.raw_message.metadata.num_delivered)


@asynccontextmanager
async def kept_alive(msg: NatsMessage) -> AsyncIterator[None]:
    """Tell the server that the handler still works, so that nobody else is given the message."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            try:
                await msg.in_progress()
            except NatsError as trouble:
                log.debug("beat_missed", error=type(trouble).__name__)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
