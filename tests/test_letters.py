"""Letters to one person: through the ledger as notices go, three a day, and then forgotten."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from channels.base import Outcome, Recipient, Verdict
from channels.email.letter_mail import RenderedLetter
from consumers.check import Check
from consumers.readers.letters import A_DAY
from consumers.register import Register
from consumers.trace import Trace
from contracts import events, keys, subjects
from contracts.cloudevent import CloudEvent
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.errors import Invalid
from contracts.letter import Letter, LetterKind
from contracts.vocabulary import DEFAULT
from tests.conftest import Clock
from tests.doors import an_event
from tests.mails import PUBLIC_URL, Words, email_channel, heard, raw, undotted
from tests.reader_house import ADDRESS, House, a_form

LINK = f"{PUBLIC_URL}/dang-ky/xac-nhan/abc"
NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
DAY_S = 86400


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path, Clock(NOON.timestamp()))


def a_letter(kind: LetterKind = LetterKind.CONFIRM, **changes: object) -> Letter:
    said = {
        "kind": kind,
        "address": ADDRESS,
        "path": "/dang-ky/xac-nhan/abc",
        "other": "ng***@example.com",
        "at": NOON,
        "expires_at": datetime(2026, 11, 29, 5, tzinfo=UTC),
    }
    return Letter.model_validate(said | changes)


async def test_a_letter_is_one_entry_on_the_lane_of_notices_and_forgotten_once_it_has_ended(house):
    content_id = await house.letters.send(a_letter())
    assert keys.is_letter(content_id)
    batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
    held = await house.ledger.state(batch)
    assert (held.value.rows, held.value.lane) == (b"p", Lane.NOTICE)
    assert house.relay.addresses == []
    [left] = await house.post()
    assert left.address == ADDRESS
    assert house.relay.addresses == [ADDRESS]
    assert (await house.ledger.state(batch)).value.rows == b"d"
    assert ADDRESS.encode() not in await house.everything()
    await house.wake(content_id)  # a doubled wake-up
    assert house.relay.addresses == [ADDRESS]


async def test_three_letters_a_day_whoever_asks_and_a_restart_forgets_none(house, bus, tmp_path):
    for _ in range(2 * A_DAY):
        again = House(bus, tmp_path / "again", house.clock)
        await again.letters.send(a_letter())
        await again.post()
    assert len(await house.bus.bucket(subjects.LEDGER.name).keys("state.email.letter-")) == A_DAY
    assert await house.letters.send(a_letter(address="khac@example.com")) is not None
    assert await house.letters.send(a_letter(address=ADDRESS.upper())) is None
    house.clock.advance(DAY_S)
    assert await house.letters.send(a_letter()) is not None


async def test_a_mailbox_with_many_names_gets_three_altogether(house):
    made = [await house.letters.send(a_letter(address=f"an+{n}@example.com")) for n in range(5)]
    assert [one is not None for one in made] == [True] * A_DAY + [False] * 2
    assert await house.letters.send(a_letter(address="an@example.com")) is None
    assert await house.letters.send(a_letter(address="an@example.org")) is not None


async def test_what_only_the_reader_causes_is_not_used_up_by_strangers_and_goes_once(house):
    for _ in range(A_DAY + 1):
        await house.letters.send(a_letter())
    own = keys.letter_content_id("own", "this change")
    for _ in range(2):
        told = [house.letters.begin(own, a_letter(LetterKind.CHANGED)) for _ in range(3)]
        await asyncio.gather(*told)
        await house.post()
    assert house.relay.addresses == [ADDRESS] * (A_DAY + 1)
    assert await house.waiting() == {}


async def test_many_at_once_make_three_letters_and_no_more(house):
    made = await asyncio.gather(*(house.letters.send(a_letter()) for _ in range(12)))
    assert len({one for one in made if one}) == sum(one is not None for one in made) == A_DAY
    assert len(await house.post()) == A_DAY


async def test_a_letter_whose_writer_died_before_its_entry_is_begun_by_the_next(house):
    lost = house.letters.name(a_letter(), 0)
    data = a_letter().model_dump_json().encode()
    await house.bus.bucket(subjects.NOTICES.name).create(lost, data)
    other = await house.letters.send(a_letter())
    assert other not in (None, lost)
    assert set(await house.waiting()) == {lost, other}
    await house.post()
    assert house.relay.addresses == [ADDRESS, ADDRESS]


async def test_one_that_ended_while_another_was_stored_in_its_place_takes_nothing_along(
    house, monkeypatch
):
    first = await house.letters.send(a_letter())
    await house.post()
    state, looks = house.ledger.state, iter([None])

    async def late(batch):
        return next(looks, None) if batch.content_id == first and not seen else await state(batch)

    seen: list[str] = []
    store = house.letters.store

    async def stored(content_id, letter):
        seen.append(content_id)
        return await store(content_id, letter)

    monkeypatch.setattr(house.ledger, "state", late)
    monkeypatch.setattr(house.letters, "store", stored)
    second = await house.letters.send(a_letter())
    assert seen == [first, second]
    assert set(await house.waiting()) == {second}


async def test_one_that_others_began_and_sent_meanwhile_does_not_go_twice(
    house, bus, tmp_path, monkeypatch
):
    others = House(bus, tmp_path / "others", house.clock)
    begin, calls = house.letters.notices.begin, []

    async def slow(batch, entry):
        calls.append(batch.content_id)
        if len(calls) == 1:
            await others.letters.send(a_letter(LetterKind.ABSENT))
            await others.post()
        return await begin(batch, entry)

    monkeypatch.setattr(house.letters.notices, "begin", slow)
    assert await house.letters.send(a_letter()) == calls[0]
    await house.post()
    assert others.relay.addresses + house.relay.addresses == [ADDRESS] * 2
    assert await house.waiting() == {}


async def test_it_is_tried_again_until_its_link_ends_and_then_never(house):
    house.relay.answer = lambda _: Outcome(Verdict.DEFERRED, "451")
    content_id = await house.letters.send(a_letter())
    batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
    for _ in range(3):
        await house.wake(content_id)
        house.clock.now = (await house.ledger.state(batch)).value.due
    assert (await house.ledger.state(batch)).value.rows == b"r"
    house.clock.now = a_letter().expires_at.timestamp()
    await house.wake(content_id)
    entry = (await house.ledger.state(batch)).value
    assert (entry.rows, bool(entry.closed)) == (b"e", True)
    assert await house.waiting() == {}


async def test_one_that_is_forgotten_before_it_left_ends_unsent(house, bus):
    content_id = await house.letters.send(a_letter())
    await bus.bucket(subjects.NOTICES.name).purge(content_id)
    await house.wake(content_id)
    entry = (await house.ledger.state(BatchKey(ChannelName.EMAIL, content_id, 1, 0))).value
    assert entry.rows == b"e"
    assert house.relay.addresses == []


async def test_an_address_that_mail_must_not_go_to_gets_no_letter(house):
    await house.suppressed.add(ChannelName.EMAIL, ADDRESS, "no such mailbox", None)
    content_id = await house.letters.send(a_letter())
    await house.wake(content_id)
    assert house.relay.addresses == []
    entry = (await house.ledger.state(BatchKey(ChannelName.EMAIL, content_id, 1, 0))).value
    assert entry.rows == b"u"


@pytest.mark.parametrize("reads", [False, True], ids=["left long ago", "still a reader"])
async def test_who_asks_from_a_mailbox_that_works_again_is_reached_again(house, reads):
    email = ChannelName.EMAIL
    if reads:
        await house.joined()
        house.relay.addresses.clear()
    await house.suppressed.add(email, ADDRESS, "bounced 5.1.1", NOON + timedelta(days=365))
    async with house.browser() as browser:
        await browser.post("/dang-ky", data=a_form(ADDRESS))
        link = (await house.last()).path
        await house.post()
        assert house.relay.addresses == [ADDRESS]
        assert await house.suppressed.reason(email, ADDRESS), "nobody has opened it yet"
        await browser.post(link)
    assert await house.suppressed.reason(email, ADDRESS) is None


async def test_who_has_complained_gets_no_letter_that_anybody_can_ask_for(house):
    email = ChannelName.EMAIL
    await house.suppressed.add(email, ADDRESS, "complaint", None)
    async with house.browser() as browser:
        assert (await browser.post("/dang-ky", data=a_form(ADDRESS))).status_code == 200
    await house.post()
    assert house.relay.addresses == []
    assert await house.suppressed.reason(email, ADDRESS) == "complaint"


async def test_its_story_is_told_by_its_id_and_check_finds_nothing_wrong(house, bus):
    content_id = await house.letters.send(a_letter())
    trace = Trace(Register(bus), house.ledger, house.clock)
    waiting = await trace.story(content_id)
    assert (waiting.state, waiting.channels["email"].pending) == ("released", 1)
    await house.post()
    told = await trace.story(content_id)
    assert (told.channels["email"].delivered, told.channels["email"].complete) == (1, True)
    assert await trace.story("letter-aaaaaaaaaaaaaaaaaaaa") is None
    assert (await Check(bus, clock=house.clock).run()).violations == []
    assert ADDRESS not in told.model_dump_json()


def test_no_content_item_may_be_called_as_a_letter_is():
    name = "letter-" + "a" * 20
    with pytest.raises(Invalid) as refused:
        events.check(CloudEvent.model_validate(an_event(content_id=name)), DEFAULT)
    assert [error.field for error in refused.value.errors] == ["data.content_id"]


@pytest.mark.parametrize("kind", LetterKind)
def test_each_kind_is_a_mail_of_no_list_that_says_the_same_twice(kind):
    channel = email_channel()
    mail = RenderedLetter(a_letter(kind), channel.house)
    row = Recipient(keys.PERSON, "k" * 52, ADDRESS)
    body = mail.envelope(row).body
    assert body == mail.envelope(row).body  # the same at every try
    arrived = message_from_bytes(undotted(body), policy=policy.default)
    assert not [name for name in arrived if name.lower().startswith("list-")]
    assert heard(arrived, "Auto-Submitted") == "auto-generated"
    assert (heard(arrived, "To"), raw(arrived, "Content-Language")) == (ADDRESS, "vi")
    text = arrived.get_body(("plain",)).get_content()
    html = arrived.get_body(("html",)).get_content()
    said, seen = ({word.rstrip(":") for word in one} for one in (text.split(), Words(html).words))
    assert said - {"--", LINK} == seen
    assert LINK in text
    assert f'class="button" href="{LINK}"' in re.sub(r' style="[^"]*"', "", html)
    assert not {"{", "}"} & set(heard(arrived, "Subject") + text)
