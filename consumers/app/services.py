"""The services: what each adds to a process. `loa run NAME ...` takes these names."""

from collections.abc import Awaitable, Callable
from functools import partial

from channels.base import Channel, Rendered
from channels.portal.http import file_app
from channels.portal.http.search_app import SEARCH_SEGMENT as SEARCH
from channels.portal.http.search_app import search_app
from channels.portal.storage.pictures import PictureStore
from consumers.app.decode import ContentMessage
from consumers.app.node import Node
from consumers.app.wiring import digests, email, imports, portal, stand_ins, subscribers, zalo
from consumers.app.wiring.destinations import publish_destination
from consumers.case_notices.handler import CaseNoticeHandler
from consumers.case_notices.recipients import CaseNoticeRecipients
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.canary.sender import CanarySender
from consumers.channel_health.canary.worker import CanaryWorker
from consumers.deliver.policy import Unrestricted
from consumers.deliver.renderings import RenderCache
from consumers.deliver.slots import WorkerSlot
from consumers.deliver.worker import DeliveryWorker
from consumers.dispatch.audience import Audience, PortalAudience, SubscriberAudience, ZaloAudience
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.supersede import Supersession
from consumers.intake.desk import Desk
from consumers.intake.handler import Intake
from consumers.operations import restore
from consumers.operations.sweep import Sweeper
from consumers.recipients import (
    ContactLookup,
    FixedRecipients,
    RecipientStrategy,
    SuppressionList,
)
from consumers.reporting.reactions import portal_state
from consumers.runtime.lanes import LaneSemaphore
from consumers.runtime.periodic import every
from consumers.subscribers.transactional import TransactionalRecipients
from consumers.suppression.cache import CachedSuppressions, SuppressionAwareContacts
from consumers.zalo.cover_cleanup import CoverCleanup
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from contracts.subjects import ConsumerSpec
from producers.gateway import create_gateway as door
from producers.pages import create_pages as reader_pages
from producers.pages.reactions import REACTIONS_PATH as OPINION_HEAD
from producers.pages.reactions import create_reactions as opinion_door
from producers.pages.rendering import Renderer

CONCURRENT_EVENTS = 3
DESK_RESUME_S = 60.0
RESERVED_URGENT = 1


async def add_gateway(node: Node) -> None:
    """The HTTP door."""
    app = door(node.bus, node.vocabulary, node.clock, node.trace_event)
    node.web_apps.add(app, "v1", "docs", "openapi.json")


async def add_portal(node: Node) -> None:
    """The search, and the portal's files where no web server serves them."""
    folder = node.settings.portal_dir
    node.web_apps.add(file_app.portal_app(folder))
    node.web_apps.add(search_app(folder, portal.portal_site(node)), SEARCH)


async def add_pages(node: Node) -> None:
    """The readers' pages: subscribe, choose, leave."""
    app = reader_pages(
        subscribers.open_page_services(node), node.vocabulary, node.public_url, node.clock
    )
    node.web_apps.add(app, *subscribers.PATH_HEADS)


async def add_opinions(node: Node) -> None:
    """What readers think of an item → OPINIONS."""
    look = Renderer(node.public_url, node.vocabulary)
    seen = partial(portal_state, node.bus)
    node.web_apps.add(opinion_door(node.bus, seen, look, node.clock), OPINION_HEAD)


async def add_intake(node: Node) -> None:
    """CONTENT → PUBLICATIONS, or the desk."""
    work, gate = (
        Intake(node.bus, node.vocabulary, node.clock),
        LaneSemaphore(CONCURRENT_EVENTS, RESERVED_URGENT),
    )

    cases = CaseNoticeHandler(
        node.bus, node.notices, node.clock, await restore.active_doubts(node.bus)
    )

    async def on_content(arrival: ContentMessage) -> None:
        gate.require_capacity(arrival.lane)
        async with gate.acquire(arrival.lane):
            if arrival.lane is Lane.NOTICE:
                await cases.handle(arrival.event, arrival.unit, seq=arrival.seq)
                return
            await work.handle(arrival.event, arrival.unit, arrival.kind, seq=arrival.seq)

    node.tasks.append(partial(finish_interrupted_decisions, work.desk))
    consumer = subjects.CONTENT.consumers[0]
    node.subscribe(subjects.CONTENT, consumer, on_content, CONCURRENT_EVENTS + RESERVED_URGENT)


async def finish_interrupted_decisions(desk: Desk) -> None:
    """Finish decisions that a crash cut short."""
    await every(DESK_RESUME_S, desk.finish_interrupted)


async def add_dispatch(node: Node) -> None:
    """PUBLICATIONS → the ledger, for every channel."""
    doubtful = await restore.active_doubts(node.bus)
    for consumer in subjects.PUBLICATIONS.consumers:
        channel = ChannelName(consumer.durable.removeprefix("dispatch-"))
        planner = Dispatcher(
            channel,
            node.ledger,
            node.waker,
            Supersession(node.ledger, node.waker, node.clock),
            node.releaser,
            open_audience(node, channel),
            LaneSemaphore(CONCURRENT_EVENTS, RESERVED_URGENT),
            waits_for_earlier=channel is not ChannelName.PORTAL,
            doubts=doubtful,
            digests=digests.affected_digests(node) if channel is ChannelName.EMAIL else None,
        )
        node.subscribe(
            subjects.PUBLICATIONS,
            consumer,
            planner.on_publication,
            CONCURRENT_EVENTS + RESERVED_URGENT,
        )


def open_audience(node: Node, channel: ChannelName) -> Audience:
    match channel:
        case ChannelName.EMAIL:
            return SubscriberAudience(node.directory)
        case ChannelName.ZALO:
            return ZaloAudience()
        case ChannelName.PORTAL:
            return PortalAudience()


async def add_email_delivery(node: Node) -> None:
    """The ledger → the mail relay."""
    known = email.open_suppression_cache(node)
    suppressed = CachedSuppressions(subscribers.open_suppressions(node.bus, node.keys), known)
    await add_worker(
        node,
        email.open_email_channel(node),
        SuppressionAwareContacts(node.directory, known),
        suppressed,
    )


async def add_zalo_delivery(node: Node) -> None:
    """The ledger → the Official Account."""
    channel = zalo.open_zalo_channel(node)
    await add_worker(node, channel, FixedRecipients())
    node.tasks.append(partial(zalo.keep_grant_renewed, channel))
    node.tasks.append(partial(zalo.clear_abandoned_calls, channel))
    node.tasks.append(partial(zalo.keep_templates_synced, channel.notices.templates))
    pictures = PictureStore(node.settings.portal_dir)
    node.tasks.append(CoverCleanup(node.bus, pictures, node.clock).run)
    zalo.add_follower_events(node, channel)


async def add_zalo_webhook(node: Node) -> None:
    """Zalo's callbacks → RECEIPTS."""
    node.web_apps.add(zalo.webhook_app(node), zalo.WEBHOOK_PATH_HEAD)
    if sandbox := node.addresses.get("zalo_sandbox"):
        node.on_ready.append(partial(zalo.register_sandbox_webhook, sandbox, node.own_url))


async def add_portal_delivery(node: Node) -> None:
    """The ledger → pages and feeds."""
    channel = portal.open_portal_channel(node)
    await add_worker(node, channel, FixedRecipients())

    node.on_ready.append(partial(portal.write_first_pages, channel))
    node.tasks.append(partial(portal.renew_pages, channel))
    if channel.notifier:
        node.tasks.append(channel.notifier.run)


async def add_worker(
    node: Node,
    channel: Channel[Rendered],
    addresses: ContactLookup,
    suppressed: SuppressionList | None = None,
) -> None:
    pauses = node.pauses  # now, while tasks can still be added
    await pauses.refresh()  # a paused channel starts paused
    suppressed = suppressed or subscribers.open_suppressions(node.bus, node.keys)
    strategies = recipient_strategies(node, channel.name, suppressed)
    is_mail = channel.name is ChannelName.EMAIL
    canaries = CanaryWorker(node.bus, channel, canary_target(node, channel.name), node.clock)
    slot = WorkerSlot(node.settings.run_dir / "slots", channel.name)
    gate = LaneSemaphore(channel.connections, RESERVED_URGENT)
    worker = DeliveryWorker(
        channel, node.ledger, RenderCache(node.bus, node.ledger, channel.render), addresses,
        node.waker, gate, slot, BreakerStore(node.bus, channel.name),
        is_paused=lambda: channel.name in pauses.paused_channels,
        strategies=strategies,
        try_canary=canaries.handle,
        policy=email.open_send_policy(node, gate) if is_mail else Unrestricted(),
    )  # fmt: skip
    await worker.channel_gate.refresh(pauses.breaker(channel.name))
    pauses.listeners.append((channel.name, worker.channel_gate.refresh))
    register_worker(node, worker)


def register_worker(node: Node, worker: DeliveryWorker[Rendered]) -> None:
    """Add a worker's wake-ups, its start and its stop to the process."""
    channel = worker.channel
    node.stack.push_async_callback(channel.close)
    node.stack.callback(worker.slot.close)
    subscribe_wake_ups(node, worker)
    node.on_ready += [worker.wake_interrupted, partial(publish_destination, node, channel.name)]
    node.on_stop.append(worker.stop)


def subscribe_wake_ups(node: Node, worker: DeliveryWorker[Rendered]) -> None:
    """Its wake-ups come to *worker*, lane by lane."""
    for lane, copies in worker.subscribers_per_lane():
        subject = subjects.deliver(worker.channel.name, lane)
        consumer = ConsumerSpec(subjects.durable(subject), subject)
        node.subscribe(subjects.DELIVER, consumer, worker.on_wake_up, copies)


def recipient_strategies(
    node: Node, channel: ChannelName, suppressed: SuppressionList
) -> list[RecipientStrategy]:
    """Strategies of a channel beside publications: case notices, and transactional mail."""
    strategies: list[RecipientStrategy] = []
    if channel is not ChannelName.PORTAL:
        strategies.append(CaseNoticeRecipients(node.notices, suppressed))
    if channel is ChannelName.EMAIL:
        strategies.append(TransactionalRecipients(node.bus, suppressed))
    return strategies


def canary_target(node: Node, channel: ChannelName) -> str:
    """Where a channel's canary goes; empty where that is not set, or there is no such place."""
    settings = node.canary_settings
    match channel:
        case ChannelName.EMAIL:
            return settings.email
        case ChannelName.PORTAL:
            return settings.url or node.settings.public_url
        case ChannelName.ZALO:
            return ""


async def add_canary(node: Node) -> None:
    """Tries every channel, and says when one does not answer in time."""
    node.tasks.append(CanarySender(node.bus, node.waker, node.canary_settings, node.clock).run)


async def add_sweep(node: Node) -> None:
    """Finds batches whose wake-up was lost, and streams that fill up."""
    node.tasks.append(node.capacity.run)
    node.tasks.append(Sweeper(node.bus, node.ledger, node.waker, node.pauses).run)


async def add_feedback(node: Node) -> None:
    """RECEIPTS → the ledger, and what follows from mail that came back."""
    handler = email.open_feedback_handler(node).on_receipt
    node.subscribe(subjects.RECEIPTS, subjects.RECEIPTS.consumers[0], handler)


Service = Callable[[Node], Awaitable[None]]
SERVICES: dict[str, Service] = {  # stand-ins last in the list, first to start
    "gateway": add_gateway,
    "portal": add_portal,
    "pages": add_pages,
    "opinions": add_opinions,
    "intake": add_intake,
    "dispatch": add_dispatch,
    "deliver-email": add_email_delivery,
    "deliver-zalo": add_zalo_delivery,
    "deliver-portal": add_portal_delivery,
    "sweep": add_sweep,
    "feedback": add_feedback,
    "zalo-webhook": add_zalo_webhook,
    "canary": add_canary,
    "digests": digests.add_digests,
    "import": imports.add_imports,
    "bounces": email.add_bounces,
    "mailbox": stand_ins.add_mailbox,
    "zalo-sandbox": stand_ins.add_zalo_sandbox,
}
