"""A case event that came past the HTTP door: its letter names no address, and its message goes."""

import json

import pytest
import structlog

from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.dead_letters.bulk import BulkDecisions
from consumers.dead_letters.decisions import DeadLetterDecisions, Operator, check_corrected
from consumers.dead_letters.letter import DeadLetterQuery, MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from contracts import subjects
from contracts.errors import Invalid, field_error
from contracts.vocabulary import DEFAULT
from producers.bus import BusError
from tests.support.case_pipeline import MAIL, PHONE, case_event
from tests.support.dead_letters import CLERK, bury, letters_of
from tests.support.gateway_client import UNIT

CLOSED = (field_error("type", "type_closed", value="t"),)
SUBJECTS = (subjects.case(UNIT), subjects.content(UNIT, "submitted"), subjects.content(UNIT, "x"))
SECRETS = (MAIL, PHONE, "0987654321")


async def died(bus, body, subject=SUBJECTS[0], **headers):
    """A message that came in and was buried."""
    return await bury(DeadLetterStore(bus), body, CLOSED, subject=subject, **headers)


def body(**more):
    return json.dumps(case_event() | more, ensure_ascii=False).encode()


async def told(bus):
    """Everything that both streams hold, as text."""
    found = []
    for stream in (subjects.CONTENT.name, subjects.DEAD.name):
        async for one in bus.scan(stream):
            found += [one.data.decode(errors="replace"), str(one.headers)]
    letters = await letters_of(DeadLetterStore(bus), ended=True)
    return "\n".join([*found, *(one.original.decode(errors="replace") for one in letters)])


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_a_case_events_letter_names_no_address_and_its_message_goes(bus, letters, subject):
    with structlog.testing.capture_logs() as logs:
        origin = await died(bus, body(phone="0987654321"), subject, **{"X-Contact": MAIL})
    assert "message_erased" in [line["event"] for line in logs]
    assert [secret for secret in SECRETS if secret in str(logs)] == []
    [letter] = await letters_of(letters)
    assert letter.left_out == ("X-Contact", "phone", "data.contact")
    assert letter.erased and letter.about.unit == UNIT
    assert json.loads(letter.original)["data"]["case_code"]
    assert await bus.get_message(origin.stream, origin.seq) is None
    assert [one for one in SECRETS if one in await told(bus)] == []


async def test_a_case_event_in_binary_mode_keeps_only_its_own_headers(bus, letters):
    event = case_event()
    headers = {f"ce-{name}": str(event[name]) for name in ("id", "source", "type", "specversion")}
    data = json.dumps(event["data"]).encode()
    await died(bus, data, SUBJECTS[1], **headers, **{"ce-contact": PHONE, "ce-phone": PHONE})
    [letter] = await letters_of(letters)
    assert letter.left_out == ("ce-contact", "ce-phone", "contact")
    assert letter.origin.headers == headers
    assert [one for one in SECRETS if one in await told(bus)] == []


@pytest.mark.parametrize(
    "cut", [b'{"type": "vn.gov.moha.case.updated.v1", "phone": "0987654321"', b"[]"]
)
async def test_a_case_event_that_cant_be_read_leaves_no_body(bus, letters, cut):
    await died(bus, cut)
    [letter] = await letters_of(letters)
    assert (letter.original, letter.left_out, letter.erased) == (b"", ("body",), True)
    assert "0987654321" not in await told(bus)


async def test_a_case_event_without_anything_personal_stays_as_it_is(bus, letters):
    event = case_event()
    del event["data"]["contact"]
    origin = await died(bus, json.dumps(event).encode())
    [letter] = await letters_of(letters)
    assert (letter.left_out, letter.erased) == ((), False)
    assert await bus.get_message(origin.stream, origin.seq) is not None


async def test_a_huge_case_event_leaves_nothing_at_its_origin(bus, letters):
    event = case_event(reason="x" * 700_000)
    origin = await died(bus, json.dumps(event).encode())
    [letter] = await letters_of(letters)
    assert letter.left_out == ("data.contact", "body")
    assert await bus.get_message(origin.stream, origin.seq) is None
    assert (await letters.load(letter.id)).original == b""


async def test_the_letter_comes_first_and_a_repeat_erases_the_rest(bus, letters, monkeypatch):
    async def away(*_):
        raise BusError("away")

    with monkeypatch.context() as patch:
        patch.setattr(bus, "erase_message", away)
        with pytest.raises(BusError):
            await died(bus, body())
    [one] = [one async for one in bus.scan(subjects.CONTENT.name)]
    [letter] = await letters_of(letters)
    origin = MessageOrigin(subject=one.subject, stream="CONTENT", seq=one.seq)
    await letters.bury("intake", origin, one.data, CLOSED)
    assert [found.times async for found in letters.letters()] == [1]
    assert letter.erased and await bus.get_message("CONTENT", one.seq) is None


async def test_such_a_letter_can_only_be_given_up(bus, letters):
    await died(bus, body())
    [letter] = await letters_of(letters)
    with pytest.raises(Invalid) as refused:
        await DeadLetterDecisions(letters).replay(letter, CLERK)
    assert "POST /v1/events" in refused.value.errors[0].message_vi
    summary = await BulkDecisions(bus, None).replay(DeadLetterQuery(ids=(letter.id,)))
    assert (summary.done, len(summary.refused)) == ([], 1)
    with pytest.raises(Invalid):
        check_corrected(letter, body(), DEFAULT)
    ended = await DeadLetterDecisions(letters).discard(letter, Operator("Bình", "đã báo đơn vị"))
    assert ended.ended.state == "discarded"


# --- the check


async def gaps(bus):
    found = await Checker(CheckContext(bus, deep=True, recheck_after_s=0.0)).run()
    return [one.detail for one in found.violations if one.rule == "stream-gap"]


async def test_what_a_letter_says_was_erased_is_not_lost(bus):
    for number in range(3):
        await died(bus, body(id=f"e-{number}"))
        await bus.publish(subjects.content(UNIT, "submitted"), b"{}")
    assert await gaps(bus) == []


@pytest.mark.parametrize(("seq", "where"), [(1, "beginning"), (3, "middle")])
async def test_what_else_is_missing_is_lost(bus, seq, where):
    for number in range(3):
        await bus.publish(subjects.content(UNIT, "submitted"), b"{}")
        await died(bus, body(id=f"e-{number}"))
    await bus.publish(subjects.content(UNIT, "submitted"), b"{}")
    await bus.erase_message("CONTENT", seq)
    [gap] = await gaps(bus)
    assert where in gap
