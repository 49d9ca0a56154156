"""Bounces of transactional mail find their address without a row, within a time limit."""

from datetime import UTC, date, datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Recipient
from channels.email.return_path import ReturnPaths, transactional_day
from consumers.email.inbound import BounceMailbox
from consumers.email.receipts import ReturnedMail
from consumers.feedback.handler import parse_receipt
from contracts import keys, subjects
from contracts.delivery import ChannelName
from contracts.subscriptions.transactional import TransactionalKind
from tests.consumers.subscribers.test_transactional import a_letter
from tests.support.bounce_mails import bounce_mail, complaint_mail
from tests.support.bounce_pipeline import BouncePipeline
from tests.support.mails import email_channel
from tests.support.signup_app import ADDRESS, KNOWN, NOON
from tests.support.smtp_receiver import SmtpReceiver

EMAIL = ChannelName.EMAIL
DOMAIN = "tra-lai.moha.example"
PATHS = ReturnPaths(b"k" * 32, DOMAIN)
OTHERS = ReturnPaths(b"x" * 32, DOMAIN)
TODAY = NOON.date()


@given(st.emails(), st.emails(), st.dates())
def test_a_letters_place_fits_names_nobody_and_knows_its_address_again(mine, other, day):
    place = PATHS.transactional_ref(mine, day)
    path, envelope = (one.decode() for one in PATHS.return_path(place))
    assert len(path.rpartition("@")[0]) <= 64
    assert PATHS.row_ref_of_address(path) == PATHS.row_ref_of_envelope_id(envelope) == place
    assert transactional_day(place) == day
    assert PATHS.is_transactional_to(place, mine)
    assert PATHS.is_transactional_to(place, other) == (mine.casefold() == other.casefold())
    assert not OTHERS.is_transactional_to(place, mine)
    assert OTHERS.row_ref_of_address(path) is None


def test_the_place_of_a_row_is_no_letters():
    assert transactional_day("p7.2.13") is None
    assert transactional_day("") is None


@pytest.fixture
async def bounce_pipeline(bus, tmp_path):
    """The handler of returned transactional mail, at noon of the day it left."""
    loa = BouncePipeline(bus, tmp_path, 1)
    loa.clock.now = NOON.timestamp()
    loa.door = BounceMailbox(bus, PATHS, loa.suppressions.hash_address)
    return loa


async def comes_back(loa: BouncePipeline, mail: bytes, address=ADDRESS, day: date = TODAY) -> None:
    """Send a report to the return path of a transactional mail, and handle it."""
    path = PATHS.return_path(PATHS.transactional_ref(address, day))[0].decode()
    assert loa.door.accepts(path)
    before = [one async for one in loa.bus.scan(subjects.RECEIPTS.name)]
    await loa.door.deliver("", path, mail)
    for one in [one async for one in loa.bus.scan(subjects.RECEIPTS.name)][len(before) :]:
        assert address.encode() not in one.data
        receipt = parse_receipt(one.data).model_copy(
            update={"at": datetime.fromtimestamp(loa.clock(), UTC)}
        )
        await loa.feedback.on_receipt(receipt)


async def test_a_letter_leaves_with_a_return_path_that_knows_its_address(bus):
    async with SmtpReceiver() as relay:
        channel = email_channel(relay.port)
        channel.return_paths = PATHS
        key = keys.delivery_key("letter-x", 1, EMAIL, "")
        rows = [Recipient("", key, ADDRESS)]
        async with channel.session() as session:
            await session.send(channel.render(a_letter()), rows, lambda: False)
        await channel.close()
    place = PATHS.row_ref_of_address(relay.mails[0].sender)
    assert PATHS.is_transactional_to(place, ADDRESS.upper())
    assert transactional_day(place) == TODAY


async def test_an_address_that_a_letter_shows_to_be_none_is_left_alone(bounce_pipeline):
    await comes_back(bounce_pipeline, bounce_mail("5.1.1", to=ADDRESS))
    assert await bounce_pipeline.suppression_reason(ADDRESS) == "bounced 5.1.1"


async def test_a_report_of_a_letter_that_names_another_address_suppresses_nobody(bounce_pipeline):
    with structlog.testing.capture_logs() as logs:
        await comes_back(bounce_pipeline, bounce_mail("5.1.1", to=KNOWN))
        await comes_back(bounce_pipeline, complaint_mail(to=KNOWN))
    assert [one["event"] for one in logs].count("bounce_of_other_address") == 2
    for address in (ADDRESS, KNOWN):
        assert await bounce_pipeline.suppression_reason(address) is None


async def test_whoever_calls_a_letter_spam_gets_none_until_a_person_says_so(bounce_pipeline):
    await comes_back(bounce_pipeline, complaint_mail(to=ADDRESS))
    assert await bounce_pipeline.suppression_reason(ADDRESS) == "complaint"


async def test_a_full_mailbox_counts_once_for_each_letter_and_a_policy_never(bounce_pipeline):
    for day in (TODAY, TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=2)):
        assert await bounce_pipeline.suppression_reason(ADDRESS) is None
        bounce_pipeline.door = BounceMailbox(
            bounce_pipeline.bus, PATHS, bounce_pipeline.suppressions.hash_address
        )
        await comes_back(bounce_pipeline, bounce_mail("5.2.2", to=ADDRESS), day=day)
        await comes_back(bounce_pipeline, bounce_mail("5.7.1", to=KNOWN), address=KNOWN, day=day)
    assert await bounce_pipeline.suppression_reason(ADDRESS) == "bounced 5.2.2"
    assert await bounce_pipeline.suppression_reason(KNOWN) is None


@pytest.mark.parametrize(("days", "heard"), [(29, True), (32, False)])
async def test_a_letters_return_path_ends_after_thirty_days(bounce_pipeline, days, heard):
    bounce_pipeline.clock.advance(days * 86400)
    with structlog.testing.capture_logs() as logs:
        await comes_back(bounce_pipeline, bounce_mail("5.1.1", to=ADDRESS))
    assert ("receipt_late" in {one["event"] for one in logs}) != heard
    assert (await bounce_pipeline.suppression_reason(ADDRESS) is not None) == heard


@pytest.mark.parametrize(
    ("kind", "days", "heard"),
    [("bounce", 29, True), ("bounce", 31, False), ("delay", 31, False),
     ("complaint", 31, True), ("complaint", 366, False)],
)  # fmt: skip
async def test_a_rows_return_path_ends_long_after_its_batch_has(bus, tmp_path, kind, days, heard):
    loa = BouncePipeline(bus, tmp_path, 1)
    await loa.add_readers()
    plan = await loa.deliver()
    [reader] = loa.readers.ids
    loa.clock.advance(days * 86400)
    with structlog.testing.capture_logs() as logs:
        await loa.bounce(reader, "5.1.1", kind)
        found = {"publication": f"{plan.content_id}.{plan.revision}", "place": ""}
        key = keys.delivery_key(plan.content_id, plan.revision, EMAIL, reader)
        await loa.bounce(reader, "5.1.1", kind, **found, message_id=key[:32])
    assert [one["event"] for one in logs].count("receipt_late") == (0 if heard else 2)
    assert "receipt_unmatched" not in {one["event"] for one in logs}
    assert (await loa.suppression_reason(reader) is not None) == heard


async def test_a_reader_who_writes_is_sent_the_way_in_and_a_stranger_nothing(signup_app):
    await signup_app.subscribed()
    for address in (ADDRESS.upper(), KNOWN, "khong phai"):
        await signup_app.signup.send_reminder(address)
    [letter] = (await signup_app.pending_mails()).values()
    assert (letter.kind, letter.address) == (TransactionalKind.MANAGE, ADDRESS)
    person = await signup_app.subscriber()
    assert person.active, "nobody leaves by writing"


async def test_a_report_that_an_older_door_kept_with_its_addresses_harms_nobody(bounce_pipeline):
    place, seals = PATHS.transactional_ref(ADDRESS, TODAY), ("a" * 64, "b" * 64)
    said = {"returned": "bounce", "at": bounce_pipeline.now(), "place": place, "code": "5.1.1"}
    with structlog.testing.capture_logs() as logs:
        await bounce_pipeline.feedback.on_receipt(ReturnedMail(**said, seals=seals))
    assert [one["event"] for one in logs] == ["bounce_of_other_address"]
    assert await bounce_pipeline.suppression_reason(ADDRESS) is None
