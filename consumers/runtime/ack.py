"""Acknowledge, delay or dead-letter each message; the only module that does.

A handler returns (ack), raises RetryLater (nak with a delay), or fails. A message that breaks its
contract becomes a dead letter that names the field. Every other failure is retried: bus errors at
once, unforeseen errors with growing delays.
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

from consumers.dead_letters import message_info
from consumers.runtime.errors import RetryLater
from contracts.base import tracing
from contracts.base.crash_points import crash_point
from contracts.errors import ContractError, FieldError, explain
from contracts.events import loggable_fields
from producers.bus import BusError, StorageFull
from producers.bus.periodic import log_bus_error
from producers.metrics.refusal_log import RefusalLog

log = structlog.get_logger()
KEEP_ALIVE_S = 10.0
BUS_RETRY_S = 1.0
MAX_RETRY_S = 60.0
_STAGE_OF_SUBJECT = {
    "content": "intake",
    "case": "intake",
    "publication": "dispatch",
    "deliver": "deliver",
    "receipt": "feedback",
    "editorial": "intake",
}


class StoreDeadLetter(Protocol):
    """Store a whole message as a dead letter; see `consumers.dead_letters`."""

    async def __call__(
        self, stage: str, message: NatsMessage, errors: Sequence[FieldError]
    ) -> None: ...


class AckMiddleware(BaseMiddleware[Any, Any]):
    def __init__(
        self, msg: Any, *, context: Any, store_dead_letter: StoreDeadLetter, refusals: RefusalLog
    ) -> None:
        super().__init__(msg, context=context)
        self.store_dead_letter = store_dead_letter
        self.refusals = refusals

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> None:
        """Run the handler, then acknowledge as its outcome says."""
        with (
            structlog.contextvars.bound_contextvars(stage=stage_of(msg)),
            tracing.continued(msg.raw_message.headers or {}),
        ):
            async with keep_alive(msg):
                await self.handle_and_ack(call_next, msg)

    async def handle_and_ack(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: NatsMessage
    ) -> None:
        try:
            await call_next(msg)
        except RetryLater as later:
            log.debug("put_off", why=later.reason, delay_s=round(later.delay_s, 2))
            await msg.nack(delay=later.delay_s)
        except (ContractError, ValidationError) as broken:
            await self.dead_letter_message(msg, broken)
        except (BusError, NatsError) as trouble:
            log_bus_error(trouble)
            await msg.nack(delay=BUS_RETRY_S)
        except Exception:
            log.exception("handler_failed", deliveries=_delivery_count(msg))
            await msg.nack(delay=min(2.0 ** _delivery_count(msg), MAX_RETRY_S))
        else:
            await msg.ack()
            crash_point("settle.acked")

    async def dead_letter_message(
        self, msg: NatsMessage, violation: ContractError | ValidationError
    ) -> None:
        """Store the dead letter, then acknowledge; if it can't be stored, the message stays."""
        errors = violation.errors if isinstance(violation, ContractError) else explain(violation)
        try:
            await self.store_dead_letter(stage_of(msg), msg, errors)
            crash_point("dead.buried")
        except StorageFull as full:
            log.error("dead_letters_full", detail=str(full), **_log_facts(msg))
            await msg.nack(delay=min(2.0 ** _delivery_count(msg), MAX_RETRY_S))
            return
        except BusError as trouble:
            log_bus_error(trouble)
            await msg.nack(delay=BUS_RETRY_S)
            return
        code = violation.code if isinstance(violation, ContractError) else ContractError.code
        self.refusals.add(code, loggable_fields(errors), _log_facts(msg))
        await msg.ack()


def stage_of(msg: NatsMessage) -> str:
    return _STAGE_OF_SUBJECT[msg.raw_message.subject.partition(".")[0]]


def _log_facts(msg: NatsMessage) -> dict[str, str]:
    """Facts for the log: unit, event and content, as far as they can be read."""
    raw = msg.raw_message
    return message_info.read_message_info(raw.subject, raw.headers or {}, raw.data).log_facts


def _delivery_count(msg: NatsMessage) -> int:
    return int(msg.raw_message.metadata.num_delivered)


@asynccontextmanager
async def keep_alive(msg: NatsMessage) -> AsyncIterator[None]:
    """Report progress, so that the server does not redeliver the message meanwhile."""

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
