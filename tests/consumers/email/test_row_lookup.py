"""From a row reference to its row and the current address, for notices and publications."""

from datetime import UTC, datetime

from channels.base import Outcome, Verdict
from consumers.email.receipts import ReturnedMail
from consumers.email.row_lookup import AddressedRow, RowLookup
from consumers.ledger import row_ref as places
from consumers.ledger.row_ref import RowRef
from contracts import keys, subjects
from contracts.delivery import BatchKey, Status
from contracts.subscriptions.digest import Issue
from tests.support.case_pipeline import CASE, EMAIL, MAIL, CasePipeline, case_event

BY_MAIL = {"email": MAIL, "consent": True}


async def place_of_the_mail(pipeline: CasePipeline) -> str:
    """Send a notice by mail; return the row reference of its return path."""
    rows = []
    pipeline.providers[EMAIL].answer = lambda row: rows.append(row) or Outcome(Verdict.DELIVERED)
    await pipeline.accept_and_take_in(contact=BY_MAIL)
    await pipeline.work(EMAIL)
    return rows[0].row_ref


async def test_a_notices_place_leads_to_its_only_row_and_to_the_person(case_pipeline, clock):
    whose = RowLookup(case_pipeline.bus, case_pipeline.ledger, case_pipeline.notices.find_record)
    place = await place_of_the_mail(case_pipeline)
    assert place == "n1.0.0"
    said = ReturnedMail(returned="bounce", at="2026-11-26T00:00:00Z", place=place, code="5.1.1")
    row = await whose.find(said)
    assert row == AddressedRow(BatchKey(EMAIL, CASE, 1, 0), 0, row.closed_at, MAIL)
    await case_pipeline.delete_contact()
    assert (await whose.find(said)).address == "", "a contact that is forgotten stays so"


async def test_who_cannot_be_reached_by_mail_is_not_told_the_next_step_by_mail(case_pipeline):
    await place_of_the_mail(case_pipeline)
    await case_pipeline.suppressed.add(EMAIL, MAIL.upper(), "bounced 5.1.1", None)
    step = case_event("e-2", status=4, handled_by="Chuyên viên", contact=BY_MAIL)
    await case_pipeline.accepted(step)
    await case_pipeline.take_in()
    await case_pipeline.work(EMAIL, 2)
    assert await case_pipeline.status(EMAIL, 2) == Status.SUPPRESSED
    entry = (await case_pipeline.ledger.state(BatchKey(EMAIL, CASE, 2, 0))).value
    assert entry.notes[0].reason == "bounced 5.1.1", "and it is said why"


async def test_a_digests_place_leads_to_its_batch(bus, clock):
    digest_id = keys.digest_content_id("daily", "2026-11-26")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    moments = dict.fromkeys(("since", "at", "due", "issued"), now)
    window = {"after": 0, "upto": 3, "items": (), **moments}
    issue = Issue(digest_id=digest_id, revision=2, frequency="daily", **window)
    bucket = bus.bucket(subjects.DIGESTS.name)
    order = await bucket.put(f"issue.{digest_id}.2", issue.model_dump_json().encode())
    found = await places.find_batch(bus, RowRef("d", order, 3, 7))
    assert found == BatchKey(EMAIL, digest_id, 2, 3)
    assert await places.find_batch(bus, RowRef("d", 999, 3, 7)) is None


async def test_a_place_where_something_else_lies_by_now_leads_nowhere(bus, case_pipeline):
    other = await bus.bucket(subjects.DIGESTS.name).put("now.daily", b"{}")
    await bus.publish("publication.x.y", b"rubbish")
    whose = RowLookup(bus, case_pipeline.ledger, case_pipeline.notices.find_record)
    for place in (f"d{other}.0.0", "p1.0.0"):
        said = ReturnedMail(returned="bounce", at="2026-11-26T00:00:00Z", place=place)
        assert await whose.find(said) is None
