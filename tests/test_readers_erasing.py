"""Erasing, by whatever way and whatever happens meanwhile: what is said of it is so."""

from datetime import UTC, datetime

import pytest
import structlog

from consumers.readers.imports import import_csv
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.letter import LetterKind, Parted
from contracts.vocabulary import DEFAULT
from producers.bus import Silence
from tests.conftest import Clock
from tests.crashing import Crash, doomed
from tests.reader_house import ADDRESS, KEYS, KNOWN, House, act, title

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
NEW = "moi@example.com"
CALLS = 30
"""More than an erasure needs."""
UNREADABLE = b'{"letter":{"kind":"of-a-newer-loa","address":"an@example.com"}}'


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path, Clock(NOON.timestamp()))


@pytest.fixture
def bucket(bus):
    return bus.bucket(subjects.SUBSCRIBERS.name)


async def silent(*_: object) -> None:
    raise Silence("no answer")


async def moved(house, person):
    """The same reader at NEW; both letters have gone."""
    await house.own.ask_to_move(person, NEW)
    token = (await house.last()).path.rpartition("/")[2]
    await house.own.move(token)
    await house.post()
    return await house.reader(NEW)


def said(logs):
    return [one["event"] for one in logs]


# --- notes


async def test_a_note_that_nobody_can_read_stops_no_other(house, bucket, monkeypatch):
    await bucket.put("f.letter-aaaaaaaaaaaaaaaaaaaa", UNREADABLE)
    person = await house.joined()
    with monkeypatch.context() as away:
        away.setattr(house.letters, "begin", silent)
        await house.own.erase(person)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await house.farewells.finish_all()
    assert said(logs).count("farewell_unreadable") == 1
    [cry] = [one for one in logs if one["event"] == "farewell_unreadable"]
    assert (cry["log_level"], cry["content_id"]) == ("error", "letter-aaaaaaaaaaaaaaaaaaaa")
    assert "example" not in str(logs)
    assert [one.kind for one in await house.post()] == [LetterKind.ERASED]
    assert await bucket.keys() == ["f.letter-aaaaaaaaaaaaaaaaaaaa"]


@pytest.mark.parametrize(
    ("path", "says", "kind"),
    [
        ("/ngung", "Quý vị đã ngừng nhận tin", LetterKind.GOODBYE),
        ("/xoa", "Đang xóa dữ liệu của Quý vị", LetterKind.ERASED),
    ],
)
async def test_what_stands_is_said_although_the_bus_falls_silent_after_it(
    house, monkeypatch, path, says, kind
):
    await house.joined()
    async with house.inside() as browser:
        with monkeypatch.context() as away:
            away.setattr(house.letters, "begin", silent)
            answer = await act(browser, path)
        assert (answer.status_code, title(answer)) == (200, says)
    assert not any(one.active for one in await house.readers())
    await house.farewells.finish_all()
    assert [one.kind for one in await house.post()] == [kind]


async def test_a_change_whose_answer_was_lost_is_known_as_ones_own(house, bucket, monkeypatch):
    person, batch, lost = await house.joined(), type(bucket).batch, []

    async def unanswered(self, entries, **more):
        revision = await batch(self, entries, **more)
        if not lost:
            lost.append(revision)
            raise Silence("no answer")
        return revision

    monkeypatch.setattr(type(bucket), "batch", unanswered)
    assert await house.own.leave(person) is Parted.DONE
    assert lost
    assert [one.kind for one in await house.post()] == [LetterKind.GOODBYE]


async def test_two_presses_make_one_letter(house):
    person = await house.joined()
    for _ in range(2):
        await house.own.leave(person)
    for _ in range(2):
        await house.own.erase(person)
    kinds = [one.kind for one in await house.post()]
    assert sorted(kinds) == [LetterKind.ERASED, LetterKind.GOODBYE]


# --- what is said is so


async def test_who_left_by_a_mail_in_the_same_moment_is_erased_all_the_same(
    house, bucket, monkeypatch
):
    person = await house.joined()
    leave = house.people.leave

    async def later(id, *rest):
        monkeypatch.setattr(house.people, "leave", leave)
        await house.leaving.leave(id)
        return await leave(id, *rest)

    async with house.inside() as browser:
        monkeypatch.setattr(house.people, "leave", later)
        with structlog.testing.capture_logs() as logs:
            answer = await act(browser, "/xoa")
    assert title(answer) == "Đã xóa dữ liệu của Quý vị"
    assert await bucket.keys() == []
    assert said(logs).count("reader_erased") == said(logs).count("reader_left") == 1
    assert person.id.encode() not in await house.everything()


async def test_what_had_been_done_before_is_not_logged_again(house):
    person = await house.joined()
    await house.leaving.leave(person.id)
    with structlog.testing.capture_logs() as logs:
        await house.own.leave(person)
    assert "reader_left" not in said(logs)
    await house.own.erase(person)
    with structlog.testing.capture_logs() as logs:
        await house.own.erase(person)
    assert "reader_erased" not in said(logs)


# --- whoever has left


async def test_who_has_left_deletes_the_rest_by_the_same_link(house, bucket):
    person = await house.joined()
    path = f"/huy/{house.signer.token(person.id)}"
    async with house.browser() as browser:
        assert (await browser.get(f"{path}/xoa")).headers["location"] == path
        assert (await browser.post(f"{path}/xoa")).headers["location"] == path
        assert await house.reader() == person, "who reads has to leave first"
        for page in (await browser.post(path), await browser.get(path)):
            assert f'href="{path}/xoa"' in page.text
        asked = await browser.get(f"{path}/xoa")
        assert "<button" in asked.text
        assert len(await house.readers()) == 1, "fetching it deletes nothing"
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                done = await browser.post(f"{path}/xoa")
                assert (done.status_code, title(done)) == (200, "Đã xóa dữ liệu của Quý vị")
    assert said(logs).count("reader_erased") == 1
    assert await bucket.keys() == []
    async with house.browser() as browser:
        for method in (browser.get, browser.post):
            assert (await method("/huy/sai/xoa")).status_code == 404


@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
async def test_a_process_that_dies_while_it_deletes_leaves_it_to_another(
    bus, tmp_path, bucket, after
):
    clock, done, calls = Clock(NOON.timestamp()), False, 0
    while not done:
        calls, survivor = calls + 1, House(bus, tmp_path / str(calls), clock)
        assert calls < CALLS
        clock.advance(86400)
        person = await moved(survivor, await survivor.joined())
        await survivor.leaving.leave(person.id)
        dying = House(doomed(bus, calls, after=after), tmp_path / f"dying {calls}", clock)
        try:
            await dying.leaving.erase_by_token(dying.signer.token(person.id))
            done = True
        except Crash:
            await survivor.farewells.finish_all()
            if await survivor.readers():  # it died before there was a note: the button is there
                await survivor.leaving.erase_by_token(survivor.signer.token(person.id))
        assert await bucket.keys() == [], calls
    assert calls > 5


async def test_the_same_press_again_deletes_what_an_erasure_has_left(house, bucket):
    person = await moved(house, await house.joined())
    await house.leaving.leave(person.id)
    await bucket.purge(f"s.{person.id}")
    assert len(await bucket.keys()) == 3  # two addresses and the list of them
    assert await house.leaving.erase_by_token(house.signer.token(person.id))
    assert await bucket.keys() == []


async def test_who_comes_back_in_the_middle_keeps_record_and_address(house, monkeypatch):
    person = await house.joined()
    await house.leaving.leave(person.id)
    forget = house.people.forget

    async def later(id):
        await house.joined(topics=["viec-lam"])
        return await forget(id)

    monkeypatch.setattr(house.people, "forget", later)
    assert not await house.leaving.erase_by_token(house.signer.token(person.id))
    assert (await house.reader()).topics == ("viec-lam",)


# --- addresses that were left


async def erased_on_the_page(house, person):
    await house.own.erase(person)


async def erased_by_an_operator(house, person):
    await house.leaving.erase(person, person.email, reason="test")


async def cut_short_then_again(house, person):
    await house.bus.bucket(subjects.SUBSCRIBERS.name).purge(f"s.{person.id}")
    assert await house.people.left_over(person.email)


@pytest.mark.parametrize("erase", [erased_on_the_page, erased_by_an_operator, cut_short_then_again])
async def test_an_erasure_takes_the_addresses_that_were_left_along(
    house, bus, bucket, tmp_path, erase
):
    other = await house.joined(KNOWN)
    person = await moved(house, await house.joined())
    assert len(await bucket.keys("a.")) == 3
    await erase(house, person)
    await house.post()
    assert sorted(await bucket.keys()) == sorted([f"s.{other.id}", house.people.address(KNOWN)])
    path = tmp_path / "readers.csv"
    path.write_text(f"email,name,topics,audiences,units,frequency\n{ADDRESS},,,,,\n")
    report = await import_csv(bus, path, DEFAULT, KEYS.derive("addresses"))
    assert report.added == 1, "nobody knows any more that they had been here"


async def test_a_mark_of_an_older_loa_names_nobody_still(house, bus, bucket, tmp_path):
    person = await moved(house, await house.joined())
    await bucket.put(house.people.address(ADDRESS), b"-")
    await house.people.unname(person.id)
    assert await house.people.by_address(ADDRESS) is None
    assert await bucket.get(house.people.address(ADDRESS))
    path = tmp_path / "readers.csv"
    path.write_text(f"email,name,topics,audiences,units,frequency\n{ADDRESS},,,,,\n")
    report = await import_csv(bus, path, DEFAULT, KEYS.derive("addresses"))
    assert (report.added, report.unchanged) == (0, 1)


async def test_what_stands_against_an_address_outlives_the_reader_as_a_seal_alone(house):
    await house.joined()
    await house.suppressed.add(ChannelName.EMAIL, ADDRESS, "complaint", None)
    await house.own.erase(await house.reader())
    assert await house.suppressed.reason(ChannelName.EMAIL, ADDRESS) == "complaint"
    await house.post()
    assert ADDRESS.encode() not in await house.everything()


# --- moving to an address that had come back


async def test_a_reader_moves_to_a_mailbox_that_works_again(house):
    email = ChannelName.EMAIL
    person = await house.joined()
    house.relay.addresses.clear()
    await house.suppressed.add(email, NEW, "bounced 5.1.1", None)
    await house.own.ask_to_move(person, NEW)
    token = (await house.last()).path.rpartition("/")[2]
    await house.post()
    assert house.relay.addresses == [NEW]
    assert await house.suppressed.reason(email, NEW), "nobody has opened it yet"
    await house.own.move(token)
    assert await house.suppressed.reason(email, NEW) is None
