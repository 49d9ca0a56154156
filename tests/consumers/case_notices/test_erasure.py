"""An address is taken out of every notice and letter; what has another address stays."""

from datetime import UTC, datetime
from functools import partial

from consumers.case_notices.erasure import erase_from_notices
from consumers.subscribers.store import same_address
from contracts import subjects
from contracts.records import NoticeRecord
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.support.case_pipeline import BOTH, MAIL, PHONE, case_event, contact_key

OTHER = "khac@example.com"
NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)


def letter(address: str) -> bytes:
    mail = TransactionalMail(
        kind=TransactionalKind.MANAGE, address=address, at=NOON, expires_at=NOON
    )
    return mail.model_dump_json().encode()


async def test_an_address_leaves_notices_and_letters_and_a_repeat_is_no_other_contact(
    case_pipeline,
):
    bucket = case_pipeline.bus.bucket(subjects.NOTICES.name)
    await case_pipeline.accepted(case_event("e-1"))
    alone = case_event("e-2", contact={"email": MAIL.upper(), "consent": True})
    await case_pipeline.accepted(alone)
    await case_pipeline.accepted(case_event("e-3", contact={"email": OTHER, "consent": True}))
    await bucket.put("letter-a", letter(MAIL))
    await bucket.put("letter-b", letter(OTHER))
    is_theirs = partial(same_address, MAIL)
    assert await erase_from_notices(case_pipeline.bus, "email", is_theirs) == 3
    assert await erase_from_notices(case_pipeline.bus, "email", is_theirs) == 0
    left = {key async for key, _ in bucket.values()}
    assert left == {contact_key("e-1"), contact_key("e-3", 3), "letter-b"}
    stored = await bucket.get(contact_key("e-1"))
    contact = NoticeRecord.model_validate_json(stored.data).contact
    assert (contact.email, contact.phone) == (None, PHONE)
    await case_pipeline.accepted(case_event("e-1", contact=BOTH))
    added = await case_pipeline.gateway.post(case_event("e-3", contact=BOTH))
    assert added.status_code == 409, "what was never there is another contact"
