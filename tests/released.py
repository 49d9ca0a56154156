"""Released items: in the stream, and in the ledger as the delivery to the portal leaves them."""

from channels.portal.press import Press
from channels.portal.site import Site
from consumers.ledger import codec
from consumers.ledger.codec import Rows
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import planned
from contracts import publication as publications
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from producers.bus import Bus
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS

PORTAL = ChannelName.PORTAL
FIRST = a_publication(content_id="nghi-tet")
CORRECTED = a_publication(content_id="nghi-tet", revision=2, action="corrected", title="Đã sửa")
ITEMS = [a_publication(content_id=f"tin-{number}") for number in range(5)]


def a_press(url: str = PUBLIC_URL) -> Press:
    return Press(Site(url, WORDS))


async def stored(bus: Bus, publication) -> int:
    subject = subjects.publication(publication.topic, publication.content_id)
    return (await bus.publish(subject, publications.encode(publication))).seq


async def released(bus: Bus, publication, letter: str = "d") -> None:
    """In the stream, and in the ledger as the portal's delivery has left it."""
    seq = await stored(bus, publication)
    plan = PlanKey(PORTAL, publication.content_id, publication.revision)
    bucket = bus.bucket(subjects.LEDGER.name)
    cursor = Cursor(count=1, planned=1, complete=True, source=seq)
    await bucket.put(f"plan.{plan}", codec.encode_cursor(cursor))
    batch, entry = BatchKey(*plan, 0), planned(1, Lane.NORMAL, 0.0)
    await bucket.put(f"rows.{batch}", codec.encode_rows(Rows(("portal",)).ids, frozenset()))
    state = codec.encode_state(entry.put({0: ord(letter)}, {}))
    await bucket.put(f"state.{batch}", state)
