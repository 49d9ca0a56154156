"""The parts of one process; services add theirs."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from channels.email.settings import EmailSettings
from channels.zalo.client.token_store import TokenStore
from channels.zalo.settings import ZaloSettings
from consumers.app import broker as app_broker
from consumers.app.secret_reload import SecretReload
from consumers.app.settings import LoaSettings, load_vocabulary, read_settings
from consumers.app.web.health import HealthCheck
from consumers.app.web.server import AppRouter
from consumers.audit.anchor import Anchor
from consumers.audit.bus_state import Damage
from consumers.case_notices.recipients import CaseNotices
from consumers.channel_health.canary.settings import CanarySettings
from consumers.channel_health.canary.status import CANARY_OFF, load_statuses
from consumers.channel_health.destinations import load_destinations
from consumers.channel_health.pauses import ChannelMonitor
from consumers.channel_health.readback import readback_failure
from consumers.channel_health.trouble import TroubleMonitor
from consumers.desk.index import ItemIndex
from consumers.directory.directory import Directory
from consumers.editorial.log import EditorialLog
from consumers.editorial.open_items_file import OpenItemsFile
from consumers.intake.repository import ItemRepository
from consumers.key_file import (
    KeyFile,
    open_key_file,
    register_key,
    seal_notices_only,
    seal_people,
)
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.operations.capacity import CapacityMonitor
from consumers.portal_replica.follow import ReplicaFollower
from consumers.reporting.trace import TraceReader
from consumers.runtime.log_config import log_losses
from consumers.runtime.store_check import store_problem
from consumers.seals.publications import PublicationSeals
from consumers.seals.records import TakenOverUntil, seal_records, seal_zalo_receipts
from consumers.seals.takeover import SealRecords
from consumers.status.facts import FactsReader, StatusMonitor, directory_in_time_at
from consumers.status.findings import Facts, find
from consumers.subscribers.store import SubscriberStore
from consumers.suppression.store import SuppressionStore
from contracts import keys
from contracts.base.times import utc_now, utc_time
from contracts.delivery import ChannelName
from contracts.records import EventRecord
from contracts.subjects import ConsumerSpec, StreamSpec
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, BusError

Task = Callable[[], Coroutine[Any, Any, None]]
_STATUS_TIMEOUT_S = 2.0


@dataclass
class Node:
    """The shared parts, made when first asked for, and what the services have registered."""

    settings: LoaSettings
    email: EmailSettings
    zalo: ZaloSettings
    bus: Bus
    broker: app_broker.Broker
    broker_watch: app_broker.BrokerWatch
    own_url: str
    stack: AsyncExitStack
    name: str = "loa"
    web_apps: AppRouter = field(default_factory=AppRouter)
    checks: dict[str, HealthCheck] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)
    on_ready: list[Task] = field(default_factory=list)
    on_stop: list[Callable[[], None]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    stand_ins: set[ChannelName] = field(default_factory=set)
    displaced: Mapping[str, str] = field(default_factory=dict)
    """The real destinations whose place stand-ins would take unasked, by stand-in."""
    services: list[str] = field(default_factory=list)
    read_once: dict[type[BaseSettings], Any] = field(default_factory=dict)
    troubles: list[TroubleMonitor] = field(default_factory=list)
    seals: PublicationSeals | None = None
    zalo_tokens: TokenStore | None = None
    desk_index: ItemIndex | None = None
    replica: ReplicaFollower | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    clock = staticmethod(time.time)

    @cached_property
    def secrets(self) -> SecretReload:
        if self.settings.nats_url:
            self.read_once[LoaSettings] = self.settings
        return SecretReload({EmailSettings: self.email, ZaloSettings: self.zalo}, self.read_once)

    @cached_property
    def anchor(self) -> Anchor:
        files = self.settings.bus_state_file, self.settings.key_file
        return Anchor(self.bus, *files, self.clock, self._bus_trouble)

    async def _bus_trouble(self, bus: Bus) -> str:
        """Why the bus can't store: what its own server says of itself, or a test message."""
        check = self.checks.get("nats")
        return (check and await check()) or await store_problem(bus)

    async def bus_damages(self) -> dict[str, Any]:
        """Losses of the bus, and foreign settings, by stream, for `/readyz`.

        The last comparison is at most a minute old; only one process of a machine compares.
        """
        texts = [damage.field_error for damage in self._damages()]
        return {text.field: [text.message, text.message_vi] for text in texts}

    def _damages(self) -> Sequence[Damage]:
        return self.anchor.damages if "anchor" in vars(self) else ()

    def blocked_channels(self) -> dict[str, str]:
        """Blocked channels and the reasons, if this process follows them."""
        return self.pauses.blocked_reasons() if "pauses" in vars(self) else {}

    def failing_channels(self) -> dict[str, str]:
        """Channels of this process whose last try failed, and why; a breaker may not be open."""
        found = {monitor.channel.value: monitor.current()[0] for monitor in self.troubles}
        return {name: reason for name, reason in found.items() if reason}

    def stream_usage(self) -> dict[str, int]:
        """Streams and buckets that fill up, if this process monitors them."""
        return self.capacity.filling_streams if "capacity" in vars(self) else {}

    def findings(self, failing: dict[str, str]) -> dict[str, Any]:
        """The findings of `loa status`, as far as this process has their facts, by their codes.

        `findings_read`: when the facts of the bus were read, if they were.
        """
        read_at = self.status_monitor.read_at if self.status_monitor else 0.0
        return {
            "findings": [finding.to_code() for finding in find(self.facts(failing))],
            "findings_read": utc_time(round(read_at)).isoformat() if read_at else "",
        }

    def facts(self, failing: Mapping[str, str], read: Facts | None = None) -> Facts:
        """The facts that this process has, with the checks that fail now.

        *read*: those of the bus, where another monitor than that of this process has read them.
        """
        own = self.status_monitor.facts if self.status_monitor else Facts(utc_now(self.clock))
        kept = read or own
        path, is_behind = self.settings.directory_path, "directory" in failing
        return replace(
            kept,
            now=utc_now(self.clock),
            failing=failing,
            filling=self.stream_usage(),
            dropped_log_lines=sum(log_losses().values()),
            damages=tuple(damage.field_error for damage in self._damages()),
            directory_since=directory_in_time_at(path) if is_behind else None,
        )

    async def canaries(self) -> dict[str, dict[str, Any]]:
        """The canary status of each channel; empty without canaries, or without a bus."""
        try:
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                statuses = await load_statuses(self.bus, self.clock())
        except (BusError, TimeoutError, ValidationError):
            return {}
        active = {name.value: one for name, one in statuses.items() if one != CANARY_OFF}
        return {name: one.model_dump(mode="json") for name, one in active.items()}

    @cached_property
    def canary_settings(self) -> CanarySettings:
        return read_settings(CanarySettings)

    @property
    def public_url(self) -> str:
        return (self.settings.public_url or self.own_url).rstrip("/")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return load_vocabulary(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.bus)

    @cached_property
    def waker(self) -> Waker:
        return Waker(self.bus)

    @cached_property
    def notices(self) -> CaseNotices:
        return CaseNotices(self.bus, self.ledger, self.waker)

    @cached_property
    def editorial_log(self) -> EditorialLog:
        """One for all parts of the process: what one has read, no other reads again."""
        path = self.settings.open_items_file
        return EditorialLog(self.bus, OpenItemsFile(path, may_write=True))

    @cached_property
    def repository(self) -> ItemRepository:
        return ItemRepository(self.bus)

    @cached_property
    def trace(self) -> TraceReader:
        return TraceReader(self.bus, self.clock)

    @cached_property
    def subscribers(self) -> SubscriberStore:
        return SubscriberStore.from_key_file(self.bus, self.keys)

    @cached_property
    def suppressions(self) -> SuppressionStore:
        return SuppressionStore.from_key_file(self.bus, self.keys)

    def subscribe(
        self,
        stream: StreamSpec,
        consumer: ConsumerSpec,
        handler: app_broker.Handler,
        copies: int = 1,
    ) -> None:
        """Run *handler* for what *consumer* delivers, and watch over its durable."""
        self.broker_watch.durables.add((stream.name, consumer.durable))
        app_broker.subscribe(self.broker, stream, consumer, handler, copies)

    async def trace_event(self, event: EventRecord) -> dict[str, Any] | None:
        """Trace an event's item, as JSON has it; of a dossier this one step."""
        step = event.revision if keys.is_case(event.content_id) else None
        trace = await self.trace.trace(event.content_id, step)
        return trace.model_dump(mode="json") if trace else None

    @cached_property
    def directory(self) -> Directory:
        seal_people(self.bus, self.keys)
        until, path = TakenOverUntil.by(self.open_seals).records, self.settings.directory_path
        directory = Directory(self.bus, path, self.clock, until)
        self.stack.callback(directory.close)
        self.tasks.append(directory.run)
        self.checks["directory"] = partial(_check_directory, directory)
        return directory

    async def open_proven_key(self) -> None:
        """Open the key file, if it belongs to what the bus holds. Raises Invalid."""
        self.keys = await open_key_file(self.bus, self.settings.key_file)
        seal_records(self.bus, self.keys, TakenOverUntil.by(self.open_seals))

    async def seal_notices(self) -> None:
        """Seal contacts of case notices; a gateway apart has that part of the key file alone.

        Raises Invalid for the key of other data.
        """
        if "keys" in vars(self):
            return
        if self.settings.notices_key_file.exists():
            await seal_notices_only(self.bus, self.settings.notices_key_file)
        else:
            await self.open_proven_key()

    async def seal_zalo_receipts(self) -> None:
        """Seal what Zalo tells; a webhook apart has that part of the key file alone.

        Raises Invalid without it where this process has few rights on the bus.
        """
        if "keys" in vars(self):
            return
        if (part := self.settings.receipts_key_file).exists():
            seal_zalo_receipts(self.bus, KeyFile.open(part, create=False).secret)
        elif (whole := self.settings.key_file).exists() or self.settings.has_limited_rights:
            seal_zalo_receipts(self.bus, KeyFile.open(whole, create=False).receipts_key())
        else:
            await self.open_proven_key()

    @cached_property
    def keys(self) -> KeyFile:
        """The key file; one that was not proven before is proven before this process is ready."""
        keys = KeyFile.open(self.settings.key_file)
        seal_people(self.bus, keys)
        seal_records(self.bus, keys, TakenOverUntil.by(self.open_seals))
        self.on_ready.insert(0, partial(register_key, self.bus, keys))
        return keys

    async def open_seals(self) -> PublicationSeals:
        """The seals of publications; the key is proven before. Raises Invalid."""
        if "keys" not in vars(self):
            await self.open_proven_key()
        if self.seals is None:
            records = SealRecords(self.bus, self.keys, self.settings.seals_file)
            self.seals = await records.open_or_take_over(self.clock)
        return self.seals

    @cached_property
    def capacity(self) -> CapacityMonitor:
        return CapacityMonitor(self.bus, self.clock)

    @cached_property
    def status(self) -> StatusMonitor:
        reader = FactsReader(self.bus, self.zalo, self.clock)
        reader.decisions.log = self.editorial_log
        monitor = StatusMonitor(reader, (self.settings.data_dir, self.settings.nats_dir))
        self.stack.callback(monitor.stop)
        return monitor

    @property
    def status_monitor(self) -> StatusMonitor | None:
        """The monitor, if this process runs it."""
        return self.status if "status" in vars(self) else None

    def directory_confirmed_at(self) -> float | None:
        """When the copy of the readers was last complete, if this process uses it."""
        return self.directory.store.confirmed_at if "directory" in vars(self) else None

    @cached_property
    def pauses(self) -> ChannelMonitor:
        pauses = ChannelMonitor(self.bus)
        self.tasks.append(pauses.run)
        return pauses


async def portal_readback_status(bus: Bus) -> dict[str, Any]:
    """The portal's readback failure, for `/readyz`: readers can't see what it has written."""
    try:
        async with asyncio.timeout(_STATUS_TIMEOUT_S):
            failure = readback_failure(await load_destinations(bus))
    except (BusError, TimeoutError, ValidationError):  # `facts_unreadable` names the record
        return {}
    return failure.to_json() if failure else {}


async def _check_directory(directory: Directory) -> str | None:
    return None if directory.is_fresh() else "behind the subscribers bucket"
