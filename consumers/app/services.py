"""The services: what each adds to a process. `loa run NAME ...` takes these names."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from channels.base import Rendered
from channels.portal.http import file_app, security_txt
from channels.portal.http.search_app import SEARCH_SEGMENT, search_app
from channels.portal.http.security_txt import SecurityContact
from consumers.app.broker import Handler, sealed_only
from consumers.app.channel_registry import CHANNELS
from consumers.app.decode import ContentMessage, StoredMessage
from consumers.app.node import Node
from consumers.app.service_names import PORTAL_REPLICA
from consumers.app.settings import SecuritySettings, load_working_days, read_settings
from consumers.app.wiring import (
    audit,
    callbacks,
    desk,
    digests,
    email,
    imports,
    portal,
    retention,
    staff_mail,
    stand_ins,
    subscribers,
    zalo,
)
from consumers.app.wiring.trials.faces import open_faces, open_outlooks, open_pages
from consumers.app.wiring.trials.mails import add_trials
from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.withholding import IssueGuard, IssueWithholding
from consumers.case_notices.handler import CaseNoticeHandler
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.canary.sender import CanarySender
from consumers.channel_health.canary.worker import CanaryWorker
from consumers.channel_health.destinations import Destination, publish_destination
from consumers.channel_health.trouble import TroubleMonitor
from consumers.deliver.renderings import RenderCache
from consumers.deliver.worker import DeliveryWorker
from consumers.deliver.worker_slot_file import WorkerSlot
from consumers.directory.reader_counts import COUNTS_S, ReaderCounter
from consumers.dispatch.handler import Dispatcher
from consumers.dispatch.release_guard import ReleaseGuard
from consumers.dispatch.supersede import Supersession
from consumers.facts.all_sources import PeopleBuckets, fact_sources
from consumers.facts.follow import FactFollower
from consumers.facts.store import FactStore
from consumers.intake.handler import Intake
from consumers.intake.inbound import InboundMover
from consumers.operations import restore
from consumers.operations.sweep import Sweeper
from consumers.reporting.reactions import portal_state
from consumers.runtime.lanes import LaneSemaphore
from contracts import subjects
from contracts.base.times import utc_now
from contracts.delivery import ChannelName, Lane
from contracts.subjects import ConsumerSpec
from design.settings import SiteSettings
from producers.bus.periodic import every
from producers.gateway import add_docs_page, create_gateway
from producers.pages import create_pages
from producers.pages.reactions import REACTIONS_PATH, create_reactions
from producers.pages.rendering import Renderer
from producers.pages.services import PageFacts

log = structlog.get_logger()
_CONCURRENT_EVENTS = 3
_CONCURRENT_ACTS = 4
DESK_RESUME_S = 60.0
_RESERVED_URGENT = 1


async def _add_gateway(node: Node) -> None:
    """Events by HTTP → CONTENT."""
    await node.seal_notices()
    days = load_working_days(node.settings)
    faces = open_faces(node)
    app = create_gateway(
        *(node.bus, node.vocabulary, node.clock, node.trace_event, days),
        faces=faces,
        outlooks=open_outlooks(node, faces),
        pages=open_pages(node, faces),
    )
    add_docs_page(app, read_settings(SiteSettings))
    node.stack.callback(app.state.refusals.end_windows)
    versions = (f"v{number}" for number in range(10))  # unknown ones are refused by name
    node.web_apps.add(app, *versions, "docs", "openapi.json")


async def _add_portal(node: Node) -> None:
    """The search, and the portal's files where no web server serves them."""
    folder = node.settings.portal_dir
    node.web_apps.add(file_app.portal_app(folder, node.clock, partial(_is_old, node)))
    node.web_apps.add(search_app(folder, portal.portal_site(node)), SEARCH_SEGMENT)
    settings = read_settings(SecuritySettings)
    if settings.contacts and settings.expires:
        _add_security_txt(node, SecurityContact(settings.contacts, settings.expires))


def _is_old(node: Node) -> bool:
    """Whether this process writes a replica that is behind."""
    return node.replica is not None and node.replica.is_old


def _add_security_txt(node: Node, contact: SecurityContact) -> None:
    if contact.is_expired(utc_now(node.clock)):
        log.warning("security_txt_expired", expires=contact.expires.isoformat())
    app = security_txt.security_txt_app(contact, node.public_url, node.clock)
    node.web_apps.add(app, security_txt.PATH_HEAD)


async def _add_pages(node: Node) -> None:
    """The subscribers' pages: sign up, set preferences, unsubscribe."""
    services = subscribers.open_page_services(node)
    app = create_pages(services, _renderer(node, subscribers.page_facts(node)), node.clock)
    node.web_apps.add(app, *subscribers.PATH_HEADS)


def _renderer(node: Node, facts: PageFacts | None = None) -> Renderer:
    site = read_settings(SiteSettings)
    return Renderer(node.public_url, node.vocabulary, site, facts or PageFacts())


async def _add_opinions(node: Node) -> None:
    """Readers' reactions to an item → OPINIONS."""
    state = partial(portal_state, node.bus)
    app = create_reactions(node.bus, state, _renderer(node), node.clock)
    node.web_apps.add(app, REACTIONS_PATH)


async def _add_intake(node: Node) -> None:
    """Inbound streams of units → CONTENT → PUBLICATIONS, or the desk."""
    intake = await _open_intake(node)
    lanes = LaneSemaphore(_CONCURRENT_EVENTS, _RESERVED_URGENT)
    doubts = await restore.active_doubts(node.bus)
    case_notices = CaseNoticeHandler(node.bus, node.notices, node.clock, doubts)

    async def on_content(message: ContentMessage) -> None:
        lanes.require_capacity(message.lane)
        async with lanes.acquire(message.lane):
            if message.lane is Lane.NOTICE:
                await case_notices.handle(message.event, message.unit, seq=message.seq)
                return
            given = (message.event, message.unit, message.kind)
            await intake.handle(*given, seq=message.seq, is_edited=message.is_edited)

    async def on_act(message: StoredMessage) -> None:
        await intake.on_act(message.stored)

    await intake.decisions.carry_over()  # and again: an earlier version may still add to its bucket
    node.tasks.append(partial(every, DESK_RESUME_S, intake.decisions.carry_over))
    node.tasks.append(partial(every, DESK_RESUME_S, intake.decisions.finish_interrupted))
    _keep_issues_back(node, doubts)
    node.tasks.append(InboundMover(node.bus, node.broker_watch.durables).run)
    if node.settings.units_share_password:
        log.warning("units_share_password")
    consumer = subjects.CONTENT.consumers[0]
    node.subscribe(subjects.CONTENT, consumer, on_content, _CONCURRENT_EVENTS + _RESERVED_URGENT)
    node.subscribe(subjects.EDITORIAL, subjects.EDITORIAL.consumers[0], on_act, _CONCURRENT_ACTS)


async def _open_intake(node: Node) -> Intake:
    days = load_working_days(node.settings)
    intake = Intake(node.bus, node.vocabulary, node.clock, await node.open_seals(), days)
    intake.decisions.log = node.editorial_log
    return intake


def _keep_issues_back(node: Node, doubts: restore.RestoreDoubts | None) -> None:
    """Withdraw issues whose items changed before their time, as a task."""
    topics = [one.topic for one in node.vocabulary.bulletins.values()]
    withholding = IssueWithholding(_issue_guard(node, doubts), node.editorial_log, topics)
    node.tasks.append(partial(every, DESK_RESUME_S, withholding.withhold_due))


async def _add_dispatch(node: Node) -> None:
    """PUBLICATIONS → the ledger, for every channel."""
    doubts = await restore.active_doubts(node.bus)
    guard = ReleaseGuard(await node.open_seals(), node.repository, node.clock)
    counter = ReaderCounter(node.bus, node.directory, node.clock)
    node.tasks.append(partial(every, COUNTS_S, counter.publish))
    for name, entry in CHANNELS.items():
        parts = entry.load_parts()
        dispatcher = Dispatcher(
            name,
            node.ledger,
            node.waker,
            Supersession(node.ledger, node.waker, node.clock),
            node.repository,
            parts.audience(node),
            LaneSemaphore(_CONCURRENT_EVENTS, _RESERVED_URGENT),
            waits_for_earlier=parts.waits_for_earlier,
            doubts=doubts,
            digests=parts.digests(node),
            issues=_issue_guard(node, doubts),
        )
        node.subscribe(
            subjects.PUBLICATIONS,
            ConsumerSpec(subjects.dispatch(name), ">"),
            _guarded(guard, dispatcher),
            _CONCURRENT_EVENTS + _RESERVED_URGENT,
        )


def _issue_guard(node: Node, doubts: restore.RestoreDoubts | None) -> IssueGuard:
    items = ReleasedItems(node.bus, node.open_seals)
    return IssueGuard(items, node.ledger, node.clock, doubts)


def _guarded(guard: ReleaseGuard, dispatcher: Dispatcher) -> Handler:
    """The handler that plans only what Loa released."""

    async def on_publication(message: StoredMessage) -> None:
        await dispatcher.on_publication(await guard.require_released(message.stored))

    return on_publication


async def _add_delivery(node: Node, name: ChannelName) -> None:
    """The ledger → one channel."""
    parts, pauses = CHANNELS[name].load_parts(), node.pauses
    await pauses.refresh()  # a paused channel starts paused
    channel, recipients = parts.open_channel(node), parts.recipients(node)
    canaries = CanaryWorker(node.bus, channel, parts.canary_target(node), node.clock)
    lanes = LaneSemaphore(channel.connections, _RESERVED_URGENT)
    worker = DeliveryWorker(
        channel,
        node.ledger,
        RenderCache(node.bus, node.ledger, channel.render, await node.open_seals()),
        recipients.contacts,
        node.waker,
        lanes,
        WorkerSlot(node.settings.run_dir / "slots", name),
        BreakerStore(node.bus, name),
        is_paused=lambda: name in pauses.paused_channels,
        strategies=recipients.strategies,
        try_canary=canaries.handle,
        policy=parts.policy(node, lanes),
    )
    for circuit, gate in worker.gates.items():
        await gate.refresh(pauses.breaker(circuit))
        pauses.listeners.append((circuit, gate.refresh))
    troubles = {circuit: gate.trouble for circuit, gate in worker.gates.items()}
    node.troubles.append(TroubleMonitor(node.bus, name, troubles))
    node.tasks.append(node.troubles[-1].run)
    if parts.watch:
        node.tasks.append(partial(parts.watch, channel, worker))
    _register_worker(node, worker)


def _register_worker(node: Node, worker: DeliveryWorker[Rendered]) -> None:
    """Add a worker's wake-ups, lane by lane, its start and its stop to the process."""
    channel = worker.channel
    node.stack.push_async_callback(channel.close)
    node.stack.callback(worker.slot.close)
    for lane, copies in worker.subscribers_per_lane():
        subject = subjects.deliver(channel.name, lane)
        consumer = ConsumerSpec(subjects.durable(subject), subject)
        node.subscribe(subjects.DELIVER, consumer, worker.on_wake_up, copies)
    node.on_ready += [worker.wake_interrupted, partial(_publish_destination, node, channel.name)]
    node.on_stop.append(worker.stop)


async def _publish_destination(node: Node, name: ChannelName) -> None:
    """Publish the destination for `loa status`, once stand-ins have started. Raises BusError."""
    to, is_stand_in = CHANNELS[name].load_parts().destination(node)
    destination = Destination(to=to, stand_in=is_stand_in, at=node.clock())
    await publish_destination(node.bus, name, destination)


async def _add_zalo_webhook(node: Node) -> None:
    """Zalo's callbacks → RECEIPTS."""
    await node.seal_zalo_receipts()
    node.web_apps.add(zalo.webhook_app(node), zalo.WEBHOOK_PATH_HEAD)
    if sandbox := node.addresses.get("zalo_sandbox"):
        node.on_ready.append(partial(zalo.register_sandbox_webhook, sandbox, node.own_url))


async def _add_canary(node: Node) -> None:
    """Sends a canary through every channel, and warns when one does not answer in time."""
    node.tasks.append(CanarySender(node.bus, node.waker, node.canary_settings, node.clock).run)


async def _add_sweep(node: Node) -> None:
    """Finds lost wake-ups, full streams, acts cut short, damage to the bus, and old records.

    It mails staff about items, trials to units' guests and units whose callbacks fail, and writes
    facts for reports, too.
    """
    await audit.add_audit(node)
    await staff_mail.add_staff_mail(node)
    await add_trials(node)
    await callbacks.add_disabled_mail(node)
    await _add_facts(node)
    node.tasks += [node.capacity.run, node.status.run, retention.open_retention(node).run]
    node.tasks.append(Sweeper(node.bus, node.ledger, node.waker, node.pauses).run)


async def _add_facts(node: Node) -> None:
    """The logs, the ledger and people's records → FACTS."""
    seals, store = await node.open_seals(), FactStore(node.bus)
    people = PeopleBuckets(node.subscribers.bucket, node.bus.bucket(subjects.FOLLOWERS.name))
    sources = fact_sources(store, node.editorial_log, node.clock, seals, people)
    node.tasks.append(FactFollower(store, sources, node.clock).run)


async def _add_feedback(node: Node) -> None:
    """RECEIPTS → the ledger, and the consequences of bounces."""
    handler = sealed_only(node.bus, email.open_feedback_handler(node).on_receipt)
    node.subscribe(subjects.RECEIPTS, subjects.RECEIPTS.consumers[0], handler)


Service = Callable[[Node], Awaitable[None]]
SERVICES: dict[str, Service] = {  # stand-ins last in the list, first to start
    "gateway": _add_gateway,
    "portal": _add_portal,
    "pages": _add_pages,
    "opinions": _add_opinions,
    "desk": desk.add_desk,
    "intake": _add_intake,
    "dispatch": _add_dispatch,
    **{f"deliver-{name}": partial(_add_delivery, name=name) for name in CHANNELS},
    PORTAL_REPLICA: portal.add_portal_replica,
    "sweep": _add_sweep,
    "feedback": _add_feedback,
    "zalo-webhook": _add_zalo_webhook,
    "canary": _add_canary,
    "digests": digests.add_digests,
    "import": imports.add_imports,
    "bounces": email.add_bounces,
    "callbacks": callbacks.add_callbacks,
    "mailbox": stand_ins.add_mailbox,
    "zalo-sandbox": stand_ins.add_zalo_sandbox,
}
