"""From a place back to its row, for case notices as for publications, and to the address of now."""

from datetime import UTC, datetime

import pytest

from channels.base import Outcome, Verdict
from consumers.mail import place as places
from consumers.mail.place import Place
from consumers.mail.receipts import Returned
from consumers.mail.returns import bounced
from consumers.mail.whose import Row, Whose
from contracts import keys, subjects
from contracts.delivery import BatchKey, Status
from contracts.digest import Issue
from tests.doors import open_door
from tests.office import CASE, EMAIL, MAIL, Office, a_case

BY_MAIL = {"email": MAIL, "consent": True}


@pytest.fixture
async def office(bus, clock, tmp_path):
    async with open_door(bus, clock) as door:
        yield Office(bus, door, tmp_path, clock)


async def place_of_the_mail(office: Office) -> str:
    """A notice goes out by mail; the place that its return path would carry."""
    rows = []
    office.providers[EMAIL].answer = lambda row: rows.append(row) or Outcome(Verdict.DELIVERED)
    await office.told(contact=BY_MAIL)
    await office.work(EMAIL, CASE)
    return rows[0].place


async def test_a_notices_place_leads_to_its_only_row_and_to_the_person(office, clock):
    whose = Whose(office.bus, office.ledger, office.notices.record)
    place = await place_of_the_mail(office)
    assert place == "n1.0.0"
    said = Returned(returned="bounce", at="2026-11-26T00:00:00Z", place=place, code="5.1.1")
    assert await whose.find(said) == Row(BatchKey(EMAIL, CASE, 1, 0), 0, MAIL)
    await office.forget()
    assert (await whose.find(said)).address == "", "a contact that is forgotten stays so"


async def test_who_cannot_be_reached_by_mail_is_not_told_the_next_step_by_mail(office):
    await place_of_the_mail(office)
    await office.suppressed.add(EMAIL, MAIL.upper(), bounced("5.1.1"), None)
    step = a_case("e-2", status=4, handled_by="Chuyên viên", contact=BY_MAIL)
    await office.accepted(step)
    await office.take_in()
    await office.work(EMAIL, CASE, 2)
    assert await office.status(EMAIL, CASE, 2) == Status.SUPPRESSED
    entry = (await office.ledger.state(BatchKey(EMAIL, CASE, 2, 0))).value
    assert entry.notes[0].reason == "bounced 5.1.1", "and it is said why"


async def test_a_digests_place_leads_to_its_batch(bus, clock):
    digest_id = keys.digest_content_id("daily", "2026-11-26")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    moments = dict.fromkeys(("since", "at", "due", "issued"), now)
    window = {"after": 0, "upto": 3, "items": (), **moments}
    issue = Issue(digest_id=digest_id, revision=2, frequency="daily", **window)
    bucket = bus.bucket(subjects.DIGESTS.name)
    order = await bucket.put(f"issue.{digest_id}.2", issue.model_dump_json().encode())
    assert await places.batch(bus, Place("d", order, 3, 7)) == BatchKey(EMAIL, digest_id, 2, 3)
    assert await places.batch(bus, Place("d", 999, 3, 7)) is None


async def test_a_place_where_something_else_lies_by_now_leads_nowhere(bus, office):
    other = await bus.bucket(subjects.DIGESTS.name).put("now.daily", b"{}")
    await bus.publish("publication.x.y", b"rubbish")
    whose = Whose(bus, office.ledger, office.notices.record)
    for place in (f"d{other}.0.0", "p1.0.0"):
        said = Returned(returned="bounce", at="2026-11-26T00:00:00Z", place=place)
        assert await whose.find(said) is None
