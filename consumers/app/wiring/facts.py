"""Build what writes facts behind the logs and the ledger."""

from consumers.app.node import Node
from consumers.facts.all_sources import PeopleBuckets, fact_sources
from consumers.facts.follow import FactFollower
from consumers.facts.store import FactStore
from contracts import subjects


async def add_facts(node: Node) -> None:
    """The logs, the ledger and people's records → FACTS."""
    seals, store = await node.open_seals(), FactStore(node.bus)
    people = PeopleBuckets(node.subscribers.bucket, node.bus.bucket(subjects.FOLLOWERS.name))
    sources = fact_sources(store, node.editorial_log, node.clock, seals, people)
    node.tasks.append(FactFollower(store, sources, node.clock).run)
