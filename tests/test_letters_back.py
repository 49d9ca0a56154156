"""What comes back of letters finds their address without a row; and all of them have a bound."""

from datetime import UTC, date, datetime, timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Recipient
from channels.email.return_path import ReturnPaths, day_of_letter
from consumers.feedback import read
from consumers.mail.inbox import BounceDoor
from consumers.mail.receipts import Returned
from contracts import keys, subjects
from contracts.delivery import ChannelName
from contracts.letter import LetterKind
from tests.conftest import Clock
from tests.mail_back import MailBack
from tests.mails import email_channel
from tests.reader_house import ADDRESS, KNOWN, House
from tests.returned_mail import bounce, complaint
from tests.smtp_receiver import Receiver
from tests.test_letters import NOON, a_letter

EMAIL = ChannelName.EMAIL
DOMAIN = "tra-lai.moha.example"
PATHS = ReturnPaths(b"k" * 32, DOMAIN)
OTHERS = ReturnPaths(b"x" * 32, DOMAIN)
TODAY = NOON.date()


@given(st.emails(), st.emails(), st.dates())
def test_a_letters_place_fits_names_nobody_and_knows_its_address_again(mine, other, day):
    place = PATHS.letter(mine, day)
    path, envelope = (one.decode() for one in PATHS.path(place))
    assert len(path.rpartition("@")[0]) <= 64
    assert (PATHS.place(path), PATHS.place_of_envelope(envelope)) == (place, place)
    assert day_of_letter(place) == day
    assert PATHS.is_letter_to(place, mine)
    assert PATHS.is_letter_to(place, other) == (mine.casefold() == other.casefold())
    assert not OTHERS.is_letter_to(place, mine)
    assert OTHERS.place(path) is None


def test_the_place_of_a_row_is_no_letters():
    assert day_of_letter("p7.2.13") is None
    assert day_of_letter("") is None


@pytest.fixture
async def back(bus, tmp_path):
    """Whoever hears of letters that come back, at noon of the day on which they left."""
    loa = MailBack(bus, tmp_path, 1)
    loa.clock.now = NOON.timestamp()
    loa.door = BounceDoor(bus, PATHS, loa.suppressions.seal)
    return loa


async def comes_back(loa: MailBack, mail: bytes, address=ADDRESS, day: date = TODAY) -> None:
    """A report comes to the return path of a letter, and is judged."""
    path = PATHS.path(PATHS.letter(address, day))[0].decode()
    assert loa.door.takes(path)
    before = [one async for one in loa.bus.scan(subjects.RECEIPTS.name)]
    await loa.door.deliver("", path, mail)
    for one in [one async for one in loa.bus.scan(subjects.RECEIPTS.name)][len(before) :]:
        assert address.encode() not in one.data
        receipt = read(one.data).model_copy(update={"at": datetime.fromtimestamp(loa.clock(), UTC)})
        await loa.feedback.on_receipt(receipt)


async def why(loa: MailBack, address: str) -> str | None:
    said = await loa.suppressions.standing(loa.suppressions.key(EMAIL, address))
    return said.reason if said else None


async def test_a_letter_leaves_with_a_return_path_that_knows_its_address(bus):
    async with Receiver() as relay:
        channel = email_channel(relay.port)
        channel.paths = PATHS
        key = keys.delivery_key("letter-x", 1, EMAIL, "")
        rows = [Recipient("", key, ADDRESS)]
        async with channel.session() as session:
            await session.send(channel.render(a_letter()), rows, lambda: False)
        await channel.close()
    place = PATHS.place(relay.mails[0].sender)
    assert PATHS.is_letter_to(place, ADDRESS.upper())
    assert day_of_letter(place) == TODAY


async def test_an_address_that_a_letter_shows_to_be_none_is_left_alone(back):
    await comes_back(back, bounce("5.1.1", to=ADDRESS))
    assert await why(back, ADDRESS) == "bounced 5.1.1"


async def test_a_report_of_a_letter_that_names_another_address_suppresses_nobody(back):
    with structlog.testing.capture_logs() as logs:
        await comes_back(back, bounce("5.1.1", to=KNOWN))
        await comes_back(back, complaint(to=KNOWN))
    assert [one["event"] for one in logs].count("bounce_of_other_address") == 2
    assert [await why(back, one) for one in (ADDRESS, KNOWN)] == [None, None]


async def test_whoever_calls_a_letter_spam_gets_none_until_a_person_says_so(back):
    await comes_back(back, complaint(to=ADDRESS))
    assert await why(back, ADDRESS) == "complaint"


async def test_a_full_mailbox_counts_once_for_each_letter_and_a_policy_never(back):
    for day in (TODAY, TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=2)):
        assert await why(back, ADDRESS) is None
        back.door = BounceDoor(back.bus, PATHS, back.suppressions.seal)
        await comes_back(back, bounce("5.2.2", to=ADDRESS), day=day)
        await comes_back(back, bounce("5.7.1", to=KNOWN), address=KNOWN, day=day)
    assert await why(back, ADDRESS) == "bounced 5.2.2"
    assert await why(back, KNOWN) is None


@pytest.mark.parametrize(("days", "heard"), [(29, True), (32, False)])
async def test_a_letters_return_path_ends_after_thirty_days(back, days, heard):
    back.clock.forward(days * 86400)
    with structlog.testing.capture_logs() as logs:
        await comes_back(back, bounce("5.1.1", to=ADDRESS))
    assert ("receipt_late" in {one["event"] for one in logs}) != heard
    assert (await why(back, ADDRESS) is not None) == heard


@pytest.mark.parametrize(
    ("kind", "days", "heard"),
    [("bounce", 29, True), ("bounce", 31, False), ("delay", 31, False),
     ("complaint", 31, True), ("complaint", 366, False)],
)  # fmt: skip
async def test_a_rows_return_path_ends_long_after_its_batch_has(bus, tmp_path, kind, days, heard):
    loa = MailBack(bus, tmp_path, 1)
    await loa.settle()
    plan = await loa.send()
    [reader] = loa.readers.ids
    loa.clock.forward(days * 86400)
    with structlog.testing.capture_logs() as logs:
        await loa.back(reader, "5.1.1", kind)
        found = {"publication": f"{plan.content_id}.{plan.revision}", "place": ""}
        key = keys.delivery_key(plan.content_id, plan.revision, EMAIL, reader)
        await loa.back(reader, "5.1.1", kind, **found, message_id=key[:32])
    assert [one["event"] for one in logs].count("receipt_late") == (0 if heard else 2)
    assert "receipt_unmatched" not in {one["event"] for one in logs}
    assert (await loa.why(reader) is not None) == heard


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path, Clock(NOON.timestamp()))


async def test_a_reader_who_writes_is_sent_the_way_in_and_a_stranger_nothing(house):
    await house.joined()
    for address in (ADDRESS.upper(), KNOWN, "khong phai"):
        await house.office.remind(address)
    [letter] = (await house.waiting()).values()
    assert (letter.kind, letter.address) == (LetterKind.MANAGE, ADDRESS)
    person = await house.reader()
    assert person.active, "nobody leaves by writing"


async def test_a_report_that_an_older_door_has_kept_with_all_its_addresses_harms_nobody(back):
    place, seals = PATHS.letter(ADDRESS, TODAY), ("a" * 64, "b" * 64)
    said = {"returned": "bounce", "at": back.now(), "place": place, "code": "5.1.1"}
    with structlog.testing.capture_logs() as logs:
        await back.feedback.on_receipt(Returned(**said, seals=seals))
    assert [one["event"] for one in logs] == ["bounce_of_other_address"]
    assert await why(back, ADDRESS) is None
