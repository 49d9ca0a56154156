"""Joins the parts of what comes back of mail: for sending, hearing of it and acting on it."""

import structlog

from channels.email.listener import Door, Listener
from consumers.app import channels, people, readers
from consumers.app.node import Node
from consumers.app.ports import named
from consumers.app.settings import BouncesSettings, read
from consumers.feedback import Feedback
from consumers.lanes import Gate
from consumers.mail.brake import BounceBrake
from consumers.mail.inbox import BounceDoor, LeaveDoor
from consumers.mail.returns import Returns
from consumers.mail.sending import Sending
from consumers.mail.suppressed import Suppressed
from consumers.mail.whose import Whose
from consumers.notices.sent import ToldNotices

log = structlog.get_logger()


def left_alone(node: Node) -> Suppressed:
    """The addresses that mail leaves alone, kept up to date."""
    digest = people.suppressions(node.bus, node.keys).digest
    suppressed = Suppressed(node.bus, digest, node.clock)
    node.tasks.append(suppressed.run)
    return suppressed


def conduct(node: Node, gate: Gate) -> Sending:
    """Pace and brakes of one worker."""
    sending = Sending(node.bus, gate, node.clock)
    node.tasks.append(sending.run)
    node.on_stop.append(sending.stop)
    return sending


def feedback(node: Node) -> Feedback:
    """What every receipt goes through; those of mail have consequences."""
    brake = BounceBrake(node.bus, node.ledger, node.clock)
    node.tasks.append(brake.run)
    handler = Feedback(node.ledger, ToldNotices(node.bus))
    returns = Returns(
        node.bus,
        Whose(node.bus, node.ledger, node.notices.record),
        people.suppressions(node.bus, node.keys),
        brake,
        handler.arrived,
        node.clock,
    )
    handler.mail = returns.on_receipt
    return handler


async def bounces(node: Node) -> None:
    """Mail that comes back → RECEIPTS; where none is asked to come, nobody listens."""
    if not node.email.bounce_domain:
        log.warning("bounces_off")
        return
    await node.prove_key()
    settings = read(BouncesSettings)
    listener = Listener(doors(node))
    with named("LOA_BOUNCES", settings.host, settings.port):
        port = await listener.start(settings.host, settings.port)
    node.stack.push_async_callback(listener.stop)
    node.addresses["bounces"] = f"{settings.host}:{port}"


def doors(node: Node) -> list[Door]:
    """What is taken: what comes back, and wishes to leave where an address is set for them."""
    seal = people.suppressions(node.bus, node.keys).seal
    bounces = BounceDoor(node.bus, channels.return_paths(node), seal)
    if not node.email.unsubscribe_to:
        return [bounces]
    leave = readers.leaving(node.bus, node.keys).by_token
    door = LeaveDoor(node.email.unsubscribe_to, leave, readers.office(node).remind)
    node.stack.push_async_callback(door.close)
    return [bounces, door]
