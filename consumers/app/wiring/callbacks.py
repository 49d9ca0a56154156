"""Build what tells units of their items."""

from consumers.app.node import Node
from consumers.callbacks.follow import StatusFollower
from consumers.callbacks.sources import DeliverySource, PositionSource, RefusalSource
from consumers.callbacks.status_store import StatusStore
from consumers.facts.store import FactStore
from contracts import subjects


async def add_callbacks(node: Node) -> None:
    """Positions, dead letters and facts → STATUS."""
    await node.open_proven_key()
    positions = node.bus.bucket(subjects.PUBLISHED.name)
    sources = (
        RefusalSource(node.bus),
        PositionSource(positions),
        DeliverySource(FactStore(node.bus), positions),
    )
    node.tasks.append(StatusFollower(StatusStore(node.bus), sources, node.clock).run)
