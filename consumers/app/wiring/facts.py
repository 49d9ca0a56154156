"""Build what writes facts behind the logs and the ledger."""

from consumers.app.node import Node
from consumers.editorial.log import EditorialLog
from consumers.facts.follow import FactFollower
from consumers.facts.sources import Decisions, Deliveries, Events, FactSource, Opinions, Releases
from consumers.facts.store import FactStore
from consumers.seals.publications import PublicationSeals
from contracts.base.times import Clock
from producers.bus import Bus


def fact_sources(
    bus: Bus, seals: PublicationSeals | None, log: EditorialLog, clock: Clock
) -> list[FactSource]:
    """All sources, in the order in which a round tells them."""
    counted = (Events(bus, clock), Opinions(bus, clock))
    return [Releases(bus, seals), Decisions(log), Deliveries(bus), *counted]


async def add_facts(node: Node) -> None:
    """The logs and the ledger → FACTS."""
    seals = await node.open_seals()
    sources = fact_sources(node.bus, seals, node.editorial_log, node.clock)
    node.tasks.append(FactFollower(FactStore(node.bus), sources).run)
