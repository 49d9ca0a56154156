"""The FastStream broker: subscribers on durables that already exist, and a watch over both."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from fast_depends.library.serializer import OptionItem
from fast_depends.pydantic import PydanticSerializer
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import ServiceUnavailableError

from consumers.app.decode import StoredMessage, decode_message
from consumers.errors import BrokerClosed
from consumers.feedback.guard import require_sealed
from consumers.feedback.handler import AnyReceipt
from consumers.runtime.ack import AckMiddleware, StoreDeadLetter
from contracts.subjects import ConsumerSpec, StreamSpec
from producers.access import Access
from producers.bus import (
    Bus,
    BusError,
    closing_client,
    create_client,
    discard_client,
    topology,
)
from producers.bus.periodic import every
from producers.metrics.refusal_log import RefusalLog

PULL_TIMEOUT_S = 3.0
"""A pull that finds nothing is repeated so often. Each costs both sides; but a server that was
restarted has forgotten those of before, and nothing is delivered until the next one.
"""
_GRACEFUL_TIMEOUT_S = 6.0
STOP_TIMEOUT_S = 8.0
_DURABLE_CHECK_S = 10.0
_CONSUMER_NOT_FOUND = 10014
_NO_RESPONDERS_WAIT_S = 0.2
Handler = Callable[..., Awaitable[None]]
log = structlog.get_logger()


class BrokerWatch:
    """Notices what FastStream does not: a connection given up for good, a deleted durable."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.stopping = False
        self.may_create = True
        self.durables: set[tuple[str, str]] = set()
        self.missing: list[tuple[str, str]] = []

    async def on_closed(self) -> None:
        self.ended.set()

    def stop(self) -> None:
        """Expect the connection to close from now on."""
        self.stopping = True

    async def run(self) -> None:
        """Raises BrokerClosed when the connection ends before the process does."""
        await self.ended.wait()
        if not self.stopping:
            raise BrokerClosed

    async def keep_durables(self, bus: Bus) -> None:
        """Recreate deleted durables, or report them: their messages would never be delivered."""
        await asyncio.sleep(_DURABLE_CHECK_S)
        await every(_DURABLE_CHECK_S, partial(self.check_durables, bus))

    async def check_durables(self, bus: Bus) -> None:
        durables = sorted(self.durables)
        self.missing = [name for name in durables if not await _durable_exists(bus, *name)]
        if self.missing:
            log.error("durables_missing", durables=[durable for _, durable in self.missing])
            if self.may_create:
                await topology.apply(bus)

    async def check(self) -> str | None:
        """The problem for `/readyz`, or None."""
        if self.ended.is_set():
            return "connection closed"
        return "missing: " + ", ".join(name for _, name in self.missing) if self.missing else None


async def _durable_exists(bus: Bus, stream: str, durable: str) -> bool:
    try:
        await bus.consumer_info(stream, durable)
    except BusError as error:
        if error.err_code == _CONSUMER_NOT_FOUND:
            return False
        raise
    return True


async def stop_broker(broker: NatsBroker) -> None:
    """Stop within a bounded time; unacknowledged messages are delivered again."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            with closing_client():
                await broker.stop()
    except (TimeoutError, NatsError) as error:
        log.warning("consumers_not_drained", error=type(error).__name__)


class _PullSubscription(JetStreamContext.PullSubscription):
    """A pull that waits before FastStream repeats it, when JetStream has no responders."""

    async def fetch(self, *args: Any, **options: Any) -> list[Msg]:
        try:
            return await super().fetch(*args, **options)
        except ServiceUnavailableError:
            await asyncio.sleep(_NO_RESPONDERS_WAIT_S)
            raise


class _JetStreamWithoutLookups(JetStreamContext):
    """JetStream that looks up no durable at the start: topology has made them before.

    While the server reloads its configuration, such requests have no responders.
    """

    async def pull_subscribe(  # type: ignore[override]
        self, *, durable: str, stream: str, inbox_prefix: bytes, **_: Any
    ) -> JetStreamContext.PullSubscription:
        inbox = inbox_prefix + self._nc._nuid.next()
        subscription = await self._nc.subscribe(inbox.decode())
        return _PullSubscription(self, subscription, stream, durable, inbox)


class _MessageModels(PydanticSerializer):
    """The models by which handlers' messages are read: one for all copies of a handler.

    FastStream makes one for each, which took an eighth of the time of a start.
    """

    def __init__(self) -> None:
        super().__init__(use_fastdepends_errors=False)
        self._made: dict[tuple[Any, ...], Any] = {}

    def __call__(self, *, name: str, options: list[OptionItem], response_type: Any) -> Any:
        fields = ((one.field_name, one.field_type, one.default_value) for one in options)
        key = (name, response_type, *fields)
        if key not in self._made:
            given = {"name": name, "options": options, "response_type": response_type}
            self._made[key] = super().__call__(**given)
        return self._made[key]


class Broker(NatsBroker):
    """A broker that connects with the credentials of the bus, and over TLS where the bus does."""

    def __init__(
        self, url: str, access: Access, store_dead_letter: StoreDeadLetter, **options: Any
    ) -> None:
        self.refusals = RefusalLog(is_unheard=True)
        ack = partial(AckMiddleware, store_dead_letter=store_dead_letter, refusals=self.refusals)
        super().__init__(url.split(","), middlewares=[ack], **options)
        self._url, self._access = url, access
        self.inbox_prefix = f"{access.inbox_prefix}.".encode()

    async def _connect(self) -> Client:
        client = create_client(self._url, self._access)
        try:
            await client.connect(**(self._connection_kwargs | self._access.client_options()))
        except asyncio.CancelledError:
            await discard_client(client)
            raise
        self.config.connect(client)
        self.config.connection_state.connect(client, _JetStreamWithoutLookups(client))
        return client

    async def stop(self, *error: Any) -> None:
        """Stop, and log the refusals that were only counted so far."""
        try:
            await super().stop(*error)
        finally:
            self.refusals.end_windows()


def create_broker(
    url: str,
    store_dead_letter: StoreDeadLetter,
    watch: BrokerWatch,
    access: Access | None = None,
) -> Broker:
    """Create a broker with Loa's decoder and middleware. Its own logger stays silent."""
    return Broker(
        url,
        access or Access(),
        store_dead_letter,
        decoder=decode_message,
        serializer=_MessageModels(),
        graceful_timeout=_GRACEFUL_TIMEOUT_S,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=5,
        max_outstanding_pings=2,
        closed_cb=watch.on_closed,
        logger=None,
    )


def subscribe(
    broker: Broker,
    stream: StreamSpec,
    consumer: ConsumerSpec,
    handler: Handler,
    copies: int = 1,
) -> None:
    """Run *handler* for what *consumer* delivers, in *copies* serial subscribers at once."""
    subjects = stream.subjects if consumer.subject == ">" else (consumer.subject,)
    for number in range(copies):
        broker.subscriber(
            consumer.subject,
            stream=JStream(stream.name, declare=False),  # topology is applied elsewhere, once
            durable=consumer.durable,
            inbox_prefix=broker.inbox_prefix,
            pull_sub=PullSub(batch_size=1, timeout=PULL_TIMEOUT_S),
            ack_policy=AckPolicy.MANUAL,  # `runtime.ack` acknowledges
            title=" ".join((consumer.durable, *subjects)),
            include_in_schema=number == 0,
        )(handler)


def sealed_only(bus: Bus, handle: Callable[[AnyReceipt], Awaitable[None]]) -> Handler:
    """The handler that passes what Loa's own doors have stored on RECEIPTS, and nothing else."""

    async def on_message(message: StoredMessage) -> None:
        await handle(await require_sealed(bus, message.stored))

    return on_message
