"""Build what writes facts behind the logs and the ledger."""

from consumers.app.node import Node
from consumers.facts.follow import FactFollower
from consumers.facts.sources import fact_sources
from consumers.facts.store import FactStore


async def add_facts(node: Node) -> None:
    """The logs and the ledger → FACTS."""
    seals = await node.open_seals()
    sources = fact_sources(node.bus, seals, node.editorial_log, node.clock)
    node.tasks.append(FactFollower(FactStore(node.bus), sources).run)
