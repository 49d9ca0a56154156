"""Released items: in the stream, and in the ledger as the delivery to the portal leaves them."""

from consumers.ledger import codec
from consumers.ledger.codec import BatchRows
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import planned_entry
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bus
from tests.support.publications import a_publication
from tests.support.services import store_publication

PORTAL = ChannelName.PORTAL
FIRST = a_publication(content_id="nghi-tet")
CORRECTED = a_publication(content_id="nghi-tet", revision=2, action="corrected", title="Đã sửa")
ITEMS = [a_publication(content_id=f"tin-{number}") for number in range(5)]


async def deliver_to_portal(bus: Bus, publication, letter: str = "d", seals=None) -> None:
    """In the stream, and in the ledger as the portal's delivery has left it."""
    seq = (await store_publication(bus, publication, seals)).seq
    plan = PlanKey(PORTAL, publication.content_id, publication.revision)
    bucket = bus.bucket(subjects.LEDGER.name)
    cursor = PlanCursor(count=1, planned=1, complete=True, source=seq)
    await bucket.put(f"plan.{plan}", codec.encode_cursor(cursor))
    batch, entry = BatchKey(*plan, 0), planned_entry(1, Lane.NORMAL, 0.0)
    await bucket.put(f"rows.{batch}", codec.encode_rows(BatchRows(("portal",)).ids, frozenset()))
    state = codec.encode_state(entry.with_rows({0: ord(letter)}, {}))
    await bucket.put(f"state.{batch}", state)
