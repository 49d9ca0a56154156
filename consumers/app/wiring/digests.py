"""Build the digest service, and the lookup by which corrections find digests."""

from consumers.app.node import Node
from consumers.app.settings import read_settings
from consumers.digests import schedule
from consumers.digests.build import DigestBuilder
from consumers.digests.recipients import DigestRecipients
from consumers.digests.reissue import AffectedDigestFinder, DigestReissuer
from consumers.digests.schedule import DigestSchedule
from consumers.digests.service import DigestService
from consumers.digests.store import DigestStore
from consumers.dispatch.supersede import Supersession
from consumers.operations import restore


def affected_digests(node: Node) -> AffectedDigestFinder:
    """The finder of digests that the dispatch of mail has to stop."""
    supersession = Supersession(node.ledger, node.waker, node.clock)
    return AffectedDigestFinder(DigestStore(node.bus), supersession)


async def add_digests(node: Node) -> None:
    """PUBLICATIONS → digests, in the ledger."""
    store, calendar = DigestStore(node.bus), read_settings(DigestSchedule)
    await schedule.publish_schedule(node.bus, calendar)  # commands may have other settings
    seals = await node.open_seals()
    service = DigestService(
        node.ledger,
        node.waker,
        Supersession(node.ledger, node.waker, node.clock),
        store,
        DigestBuilder(node.bus, store, node.repository, calendar, node.clock, seals),
        DigestReissuer(node.bus, node.repository, node.clock),
        DigestRecipients(node.bus, node.ledger, store, node.directory, node.clock),
        doubts=await restore.active_doubts(node.bus),
        clock=node.clock,
    )
    node.tasks.append(service.run)
