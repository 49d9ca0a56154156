"""The services: what each adds to a process. `loa run NAME ...` takes these names."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from channels.base import Channel
from channels.portal import serve
from channels.portal.pictures import Pictures
from channels.portal.search.serve import HEAD as SEARCH
from channels.portal.search.serve import search_app
from consumers import restore
from consumers.addresses import Addresses, Places
from consumers.app import channels, digests, imports, mail, people, readers, standins
from consumers.app.node import Node
from consumers.app.outlets import leave_word
from consumers.arrivals import Arrival
from consumers.audience import Audience, OfficialAccount, Portal, Subscribers
from consumers.canary.sender import Canaries
from consumers.canary.taker import Taker
from consumers.circuit import Circuit
from consumers.conduct import Free
from consumers.deliver import Deliver
from consumers.desk import Desk
from consumers.dispatch import Dispatch
from consumers.fence import Fence
from consumers.intake import Intake
from consumers.lanes import Gate
from consumers.library import Library
from consumers.mail.suppressed import Near, Open
from consumers.notices.cases import Cases
from consumers.notices.persons import NotToTry, Persons
from consumers.opinions import standing
from consumers.readers.letters import Addressees
from consumers.slots import Slot
from consumers.sweep import Sweep
from consumers.zalo.pictures import OldPictures
from contracts import subjects
from contracts.delivery import ChannelName, Lane
from contracts.subjects import Consumer
from producers.bus import BusError
from producers.gateway import gateway as door
from producers.opinions import HEAD as OPINION_HEAD
from producers.opinions import opinions as opinion_door
from producers.pages import pages as reader_pages
from producers.pages.look import Look

log = structlog.get_logger()
AT_ONCE = 3
RESUME_S = 60.0
RESERVED = 1


async def gateway(node: Node) -> None:
    """The HTTP door."""
    app = door(node.bus, node.vocabulary, node.clock, node.tell)
    node.faces.add(app, "v1", "docs", "openapi.json")


async def portal(node: Node) -> None:
    """The search, and the portal's files for whoever has no web server in front."""
    folder = node.settings.portal_dir
    node.faces.add(serve.portal_app(folder))
    node.faces.add(search_app(folder, channels.site(node)), SEARCH)


async def pages(node: Node) -> None:
    """The readers' pages: subscribe, choose, leave."""
    app = reader_pages(readers.doors(node), node.vocabulary, node.public_url, node.clock)
    node.faces.add(app, *readers.HEADS)


async def opinions(node: Node) -> None:
    """What readers think of an item → OPINIONS."""
    look = Look(node.public_url, node.vocabulary)
    seen = partial(standing, node.bus)
    node.faces.add(opinion_door(node.bus, seen, look, node.clock), OPINION_HEAD)


async def intake(node: Node) -> None:
    """CONTENT → PUBLICATIONS, or the desk."""
    work, gate = Intake(node.bus, node.vocabulary, node.clock), Gate(AT_ONCE, RESERVED)

    cases = Cases(node.bus, node.notices, node.clock, await restore.doubtful(node.bus))

    async def on_content(arrival: Arrival) -> None:
        gate.check(arrival.lane)
        async with gate.enter(arrival.lane):
            if arrival.lane is Lane.NOTICE:
                await cases.take(arrival.event, arrival.unit, seq=arrival.seq)
                return
            await work.handle(arrival.event, arrival.unit, arrival.kind, seq=arrival.seq)

    node.tasks.append(partial(resume_desk, work.desk))
    consumer = subjects.CONTENT.consumers[0]
    node.subscribe(subjects.CONTENT, consumer, on_content, AT_ONCE + RESERVED)


async def resume_desk(desk: Desk) -> None:
    """Finish decisions that a crash cut short."""
    while True:
        try:
            await desk.resume()
        except BusError as trouble:
            log.warning("bus_trouble", error=type(trouble).__name__, detail=str(trouble))
        await asyncio.sleep(RESUME_S)


async def dispatch(node: Node) -> None:
    """PUBLICATIONS → the ledger, for every channel."""
    doubtful = await restore.doubtful(node.bus)
    for consumer in subjects.PUBLICATIONS.consumers:
        channel = ChannelName(consumer.durable.removeprefix("dispatch-"))
        planner = Dispatch(
            channel,
            node.ledger,
            node.waker,
            Fence(node.ledger, node.waker, node.clock),
            node.release,
            audience(node, channel),
            Gate(AT_ONCE, RESERVED),
            waits=channel is not ChannelName.PORTAL,
            doubtful=doubtful,
            digests=digests.holdings(node) if channel is ChannelName.EMAIL else None,
        )
        node.subscribe(
            subjects.PUBLICATIONS,
            consumer,
            planner.on_publication,
            AT_ONCE + RESERVED,
        )


def audience(node: Node, channel: ChannelName) -> Audience:
    match channel:
        case ChannelName.EMAIL:
            return Subscribers(node.directory)
        case ChannelName.ZALO:
            return OfficialAccount()
        case ChannelName.PORTAL:
            return Portal()


async def deliver_email(node: Node) -> None:
    """The ledger → the mail relay."""
    known = mail.left_alone(node)
    suppressed = Near(people.suppressions(node.bus, node.keys), known)
    await deliver(node, channels.email(node), Open(node.directory, known), suppressed)


async def deliver_zalo(node: Node) -> None:
    """The ledger → the Official Account."""
    channel = channels.zalo(node)
    await deliver(node, channel, Places())
    node.tasks.append(partial(channels.keep_grant, channel))
    node.tasks.append(partial(channels.clear_strays, channel))
    node.tasks.append(partial(channels.keep_templates, channel.notices.templates))
    pictures = Pictures(node.settings.portal_dir)
    node.tasks.append(OldPictures(node.bus, pictures, node.clock).run)
    people.attend(node, channel)


async def zalo_webhook(node: Node) -> None:
    """Zalo's callbacks → RECEIPTS."""
    node.faces.add(people.face(node), people.HEAD)
    if sandbox := node.addresses.get("zalo_sandbox"):
        node.on_ready.append(partial(people.subscribe_sandbox, sandbox, node.own_url))


async def deliver_portal(node: Node) -> None:
    """The ledger → pages and feeds."""
    channel = channels.portal(node)
    await deliver(node, channel, Places())

    node.on_ready.append(partial(channels.lay_out, channel))
    node.tasks.append(partial(channels.renew, channel))
    if channel.herald:
        node.tasks.append(channel.herald.run)


async def deliver(
    node: Node, channel: Channel, addresses: Addresses, suppressed: NotToTry | None = None
) -> None:
    pauses = node.pauses  # now, while tasks can still be added
    await pauses.look()  # a paused channel starts paused
    suppressed = suppressed or people.suppressions(node.bus, node.keys)
    slot = Slot(node.settings.run_dir / "slots", channel.name)
    gate = Gate(channel.connections, RESERVED)
    worker = Deliver(
        channel,
        node.ledger,
        Library(node.bus, node.ledger, channel.render),
        addresses,
        node.waker,
        gate,
        slot,
        Circuit(node.bus, channel.name),
        paused=lambda: channel.name in pauses.channels,
        persons=persons(node, channel.name, suppressed),
        addressees=addressees(node, channel.name, suppressed),
        prove=Taker(node.bus, channel, canary_target(node, channel.name), node.clock).take,
        conduct=mail.conduct(node, gate) if channel.name is ChannelName.EMAIL else Free(),
    )
    await worker.guard.attend(pauses.breaker(channel.name))
    pauses.listeners.append((channel.name, worker.guard.attend))
    wake(node, worker)
    node.stack.push_async_callback(channel.close)
    node.stack.callback(slot.close)
    node.on_ready += [worker.recover, partial(leave_word, node, channel.name)]
    node.on_stop.append(worker.stop)


def wake(node: Node, worker: Deliver) -> None:
    """Its wake-ups come to *worker*, lane by lane."""
    for lane, copies in worker.connections():
        subject = subjects.deliver(worker.channel.name, lane)
        consumer = Consumer(subjects.durable(subject), subject)
        node.subscribe(subjects.DELIVER, consumer, worker.on_wake_up, copies)


def persons(node: Node, channel: ChannelName, suppressed: NotToTry) -> Persons | None:
    """The portal tells nobody of a dossier."""
    return None if channel is ChannelName.PORTAL else Persons(node.notices, suppressed)


def addressees(node: Node, channel: ChannelName, suppressed: NotToTry) -> Addressees | None:
    """Letters go by mail alone."""
    return Addressees(node.bus, suppressed) if channel is ChannelName.EMAIL else None


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


async def canary(node: Node) -> None:
    """Tries every channel, and says when one does not answer in time."""
    node.tasks.append(Canaries(node.bus, node.waker, node.canary_settings, node.clock).run)


async def sweep(node: Node) -> None:
    """Finds batches whose wake-up was lost, and streams that fill up."""
    node.tasks.append(node.room.run)
    node.tasks.append(Sweep(node.bus, node.ledger, node.waker, node.pauses).run)


async def feedback(node: Node) -> None:
    """RECEIPTS → the ledger, and what follows from mail that came back."""
    handler = mail.feedback(node).on_receipt
    node.subscribe(subjects.RECEIPTS, subjects.RECEIPTS.consumers[0], handler)


Service = Callable[[Node], Awaitable[None]]
SERVICES: dict[str, Service] = {  # stand-ins last in the list, first to start
    "gateway": gateway,
    "portal": portal,
    "pages": pages,
    "opinions": opinions,
    "intake": intake,
    "dispatch": dispatch,
    "deliver-email": deliver_email,
    "deliver-zalo": deliver_zalo,
    "deliver-portal": deliver_portal,
    "sweep": sweep,
    "feedback": feedback,
    "zalo-webhook": zalo_webhook,
    "canary": canary,
    "digests": digests.digests,
    "import": imports.imports,
    "bounces": mail.bounces,
    "mailbox": standins.mailbox,
    "zalo-sandbox": standins.zalo_sandbox,
}
