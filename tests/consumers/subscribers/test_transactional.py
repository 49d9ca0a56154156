"""Transactional mail: delivered through the ledger, three a day, and then deleted."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from channels.base import Outcome, Recipient, Verdict
from channels.email.render.personal import RenderedTransactionalMail
from consumers.check.checker import Checker
from consumers.check.context import CheckContext
from consumers.reporting.trace import TraceReader
from consumers.subscribers.transactional import DAILY_LIMIT
from contracts import events, keys, subjects
from contracts.cloudevent import CloudEvent
from contracts.delivery import ChannelName, Lane
from contracts.errors import Invalid
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from contracts.vocabulary import DEFAULT
from tests.support.gateway_client import sample_event
from tests.support.mails import (
    PUBLIC_URL,
    VisibleText,
    decoded_header,
    email_channel,
    raw_header,
    without_dot_stuffing,
)
from tests.support.signup_app import ADDRESS, NOON, SignupApp, signup_form

LINK = f"{PUBLIC_URL}/dang-ky/xac-nhan/abc"
DAY_S = 86400


def a_letter(
    kind: TransactionalKind = TransactionalKind.CONFIRM, **changes: object
) -> TransactionalMail:
    said = {
        "kind": kind,
        "address": ADDRESS,
        "path": "/dang-ky/xac-nhan/abc",
        "other": "ng***@example.com",
        "at": NOON,
        "expires_at": datetime(2026, 11, 29, 5, tzinfo=UTC),
    }
    return TransactionalMail.model_validate(said | changes)


async def test_a_letter_is_one_entry_on_the_lane_of_notices_and_forgotten_at_its_end(signup_app):
    content_id = await signup_app.mailer.send(a_letter())
    assert keys.is_transactional(content_id)
    entry = await signup_app.entry(content_id)
    assert (entry.rows, entry.lane) == (b"p", Lane.NOTICE)
    assert signup_app.relay.addresses == []
    [left] = await signup_app.send_mails()
    assert left.address == ADDRESS
    assert signup_app.relay.addresses == [ADDRESS]
    assert (await signup_app.entry(content_id)).rows == b"d"
    assert ADDRESS.encode() not in await signup_app.stored_bytes()
    await signup_app.wake(content_id)  # a duplicate wake-up
    assert signup_app.relay.addresses == [ADDRESS]


@pytest.mark.promise("14.2")
async def test_three_letters_a_day_and_a_restart_forgets_none(signup_app, bus, tmp_path):
    for _ in range(2 * DAILY_LIMIT):
        again = SignupApp(bus, tmp_path / "again", signup_app.clock)
        await again.mailer.send(a_letter())
        await again.send_mails()
    entries = await bus.bucket(subjects.LEDGER.name).keys("state.email.letter-")
    assert len(entries) == DAILY_LIMIT
    assert await signup_app.mailer.send(a_letter(address="khac@example.com")) is not None
    assert await signup_app.mailer.send(a_letter(address=ADDRESS.upper())) is None
    signup_app.clock.advance(DAY_S)
    assert await signup_app.mailer.send(a_letter()) is not None


@pytest.mark.promise("14.2")
async def test_a_mailbox_with_many_names_gets_three_altogether(signup_app):
    made = [await signup_app.mailer.send(a_letter(address=f"an+{n}@example.com")) for n in range(5)]
    assert [one is not None for one in made] == [True] * DAILY_LIMIT + [False] * 2
    assert await signup_app.mailer.send(a_letter(address="an@example.com")) is None
    assert await signup_app.mailer.send(a_letter(address="an@example.org")) is not None


def dotted(local, number):
    """One of the spellings of a Gmail box: *number* says which letters a dot follows."""
    dots = ("." if number >> n & 1 else "" for n in range(len(local) - 1))
    return "".join(letter + dot for letter, dot in zip(local, [*dots, ""], strict=True))


@pytest.mark.promise("14.2")
async def test_thirty_spellings_of_one_gmail_box_are_one_box(signup_app):
    spellings = [f"{dotted('nguyenan', number)}@gmail.com" for number in range(24)]
    spellings += ["NguyenAn@Gmail.com", "nguyen.an+x@gmail.com", "nguyenan@googlemail.com"]
    spellings += ["n.guyenan+tin@googlemail.com", "NGUYENAN@gmail.com", "ng.uyenan@GMAIL.COM"]
    assert len(set(spellings)) == 30
    made = [await signup_app.mailer.send(a_letter(address=one)) for one in spellings]
    assert sum(one is not None for one in made) == DAILY_LIMIT
    sent = [mail.address for mail in (await signup_app.pending_mails()).values()]
    assert sorted(sent) == sorted(spellings[:DAILY_LIMIT]), "the address itself stays as it is"
    elsewhere = [f"{dotted('nguyenan', number)}@example.com" for number in range(5)]
    assert all([await signup_app.mailer.send(a_letter(address=one)) for one in elsewhere])


async def test_what_only_the_reader_causes_is_not_used_up_by_strangers_and_goes_once(signup_app):
    for _ in range(DAILY_LIMIT + 1):
        await signup_app.mailer.send(a_letter())
    own = keys.transactional_content_id("own", "this change")
    for _ in range(2):
        letter = a_letter(TransactionalKind.CHANGED)
        await asyncio.gather(*(signup_app.mailer.send_once(own, letter) for _ in range(3)))
        await signup_app.send_mails()
    assert signup_app.relay.addresses == [ADDRESS] * (DAILY_LIMIT + 1)
    assert await signup_app.pending_mails() == {}


async def test_many_at_once_make_three_letters_and_no_more(signup_app):
    made = await asyncio.gather(*(signup_app.mailer.send(a_letter()) for _ in range(12)))
    assert len({one for one in made if one}) == sum(one is not None for one in made) == DAILY_LIMIT
    assert len(await signup_app.send_mails()) == DAILY_LIMIT


async def test_a_letter_whose_writer_died_before_its_entry_is_begun_by_the_next(signup_app):
    lost = signup_app.mailer.numbered_content_id(a_letter(), 0)
    data = a_letter().model_dump_json().encode()
    await signup_app.bus.bucket(subjects.NOTICES.name).create(lost, data)
    other = await signup_app.mailer.send(a_letter())
    assert other not in (None, lost)
    assert set(await signup_app.pending_mails()) == {lost, other}
    await signup_app.send_mails()
    assert signup_app.relay.addresses == [ADDRESS, ADDRESS]


async def test_one_that_ended_while_another_took_its_place_takes_nothing(signup_app, monkeypatch):
    first = await signup_app.mailer.send(a_letter())
    await signup_app.send_mails()
    state, looks = signup_app.ledger.state, iter([None])

    async def late(batch):
        return next(looks, None) if batch.content_id == first and not seen else await state(batch)

    seen: list[str] = []
    store = signup_app.mailer.store_mail

    async def stored(content_id, letter):
        seen.append(content_id)
        return await store(content_id, letter)

    monkeypatch.setattr(signup_app.ledger, "state", late)
    monkeypatch.setattr(signup_app.mailer, "store_mail", stored)
    second = await signup_app.mailer.send(a_letter())
    assert seen == [first, second]
    assert set(await signup_app.pending_mails()) == {second}


async def test_what_others_sent_meanwhile_does_not_go_twice(signup_app, bus, tmp_path, monkeypatch):
    others = SignupApp(bus, tmp_path / "others", signup_app.clock)
    begin, calls = signup_app.mailer.notices.start_batch, []

    async def slow(batch, entry):
        calls.append(batch.content_id)
        if len(calls) == 1:
            await others.mailer.send(a_letter(TransactionalKind.ABSENT))
            await others.send_mails()
        return await begin(batch, entry)

    monkeypatch.setattr(signup_app.mailer.notices, "start_batch", slow)
    assert await signup_app.mailer.send(a_letter()) == calls[0]
    await signup_app.send_mails()
    assert others.relay.addresses + signup_app.relay.addresses == [ADDRESS] * 2
    assert await signup_app.pending_mails() == {}


async def test_it_is_tried_again_until_its_link_ends_and_then_never(signup_app):
    signup_app.relay.answer = lambda _: Outcome(Verdict.DEFERRED, "451")
    content_id = await signup_app.mailer.send(a_letter())
    for _ in range(3):
        await signup_app.wake(content_id)
        signup_app.clock.now = (await signup_app.entry(content_id)).due
    assert (await signup_app.entry(content_id)).rows == b"r"
    signup_app.clock.now = a_letter().expires_at.timestamp()
    await signup_app.wake(content_id)
    entry = await signup_app.entry(content_id)
    assert (entry.rows, bool(entry.closed_at)) == (b"e", True)
    assert await signup_app.pending_mails() == {}


async def test_one_that_is_forgotten_before_it_left_ends_unsent(signup_app, bus):
    content_id = await signup_app.mailer.send(a_letter())
    await bus.bucket(subjects.NOTICES.name).purge(content_id)
    await signup_app.wake(content_id)
    assert (await signup_app.entry(content_id)).rows == b"e"
    assert signup_app.relay.addresses == []


async def test_an_address_that_mail_must_not_go_to_gets_no_letter(signup_app):
    await signup_app.suppressions.add(ChannelName.EMAIL, ADDRESS, "no such mailbox", None)
    content_id = await signup_app.mailer.send(a_letter())
    await signup_app.wake(content_id)
    assert signup_app.relay.addresses == []
    assert (await signup_app.entry(content_id)).rows == b"u"


@pytest.mark.parametrize("reads", [False, True], ids=["left long ago", "still a reader"])
async def test_who_asks_from_a_mailbox_that_works_again_is_reached_again(signup_app, reads):
    email = ChannelName.EMAIL
    if reads:
        await signup_app.subscribed()
        signup_app.relay.addresses.clear()
    await signup_app.suppressions.add(email, ADDRESS, "bounced 5.1.1", NOON + timedelta(days=365))
    async with signup_app.client() as browser:
        await browser.post("/dang-ky", data=signup_form(ADDRESS))
        link = (await signup_app.last_mail()).path
        await signup_app.send_mails()
        assert signup_app.relay.addresses == [ADDRESS]
        assert await signup_app.suppressions.reason(email, ADDRESS), "nobody has opened it yet"
        await browser.post(link)
    assert await signup_app.suppressions.reason(email, ADDRESS) is None


async def test_who_has_complained_gets_no_letter_that_anybody_can_ask_for(signup_app):
    email = ChannelName.EMAIL
    await signup_app.suppressions.add(email, ADDRESS, "complaint", None)
    async with signup_app.client() as browser:
        assert (await browser.post("/dang-ky", data=signup_form(ADDRESS))).status_code == 200
    await signup_app.send_mails()
    assert signup_app.relay.addresses == []
    assert await signup_app.suppressions.reason(email, ADDRESS) == "complaint"


async def test_its_story_is_told_by_its_id_and_check_finds_nothing_wrong(signup_app, bus):
    content_id = await signup_app.mailer.send(a_letter())
    trace = TraceReader(bus, signup_app.clock)
    waiting = await trace.trace(content_id)
    assert (waiting.state, waiting.channels["email"].pending) == ("released", 1)
    await signup_app.send_mails()
    told = await trace.trace(content_id)
    assert (told.channels["email"].delivered, told.channels["email"].complete) == (1, True)
    assert await trace.trace("letter-aaaaaaaaaaaaaaaaaaaa") is None
    assert (await Checker(CheckContext(bus, signup_app.clock)).run()).violations == []
    assert ADDRESS not in told.model_dump_json()


@pytest.mark.parametrize(
    "name", ["letter-" + "a" * 20, keys.digest_content_id("daily", "2026-11-26")]
)
def test_no_content_item_may_be_called_as_a_letter_or_a_digest_is(name):
    with pytest.raises(Invalid) as refused:
        events.check(CloudEvent.model_validate(sample_event(content_id=name)), DEFAULT)
    assert [error.field for error in refused.value.errors] == ["data.content_id"]


@pytest.mark.parametrize("kind", TransactionalKind)
def test_each_kind_is_a_mail_of_no_list_that_says_the_same_twice(kind):
    channel = email_channel()
    mail = RenderedTransactionalMail(a_letter(kind), channel.context)
    row = Recipient(keys.SOLE_RECIPIENT, "k" * 52, ADDRESS)
    body = mail.envelope(row).body
    assert body == mail.envelope(row).body  # the same at every attempt
    arrived = message_from_bytes(without_dot_stuffing(body), policy=policy.default)
    assert not [name for name in arrived if name.lower().startswith("list-")]
    assert decoded_header(arrived, "Auto-Submitted") == "auto-generated"
    assert decoded_header(arrived, "To") == ADDRESS
    assert raw_header(arrived, "Content-Language") == "vi"
    text = arrived.get_body(("plain",)).get_content()
    html = arrived.get_body(("html",)).get_content()
    words = (text.split(), VisibleText(html).words)
    plain, seen = ({word.rstrip(":") for word in part} for part in words)
    assert plain - {"--", LINK} == seen
    assert LINK in text
    assert f'class="button" href="{LINK}"' in re.sub(r' style="[^"]*"', "", html)
    assert not {"{", "}"} & set(decoded_header(arrived, "Subject") + text)
