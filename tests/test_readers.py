"""Subscribing, choosing, leaving: what is kept of whom, and what is not."""

import asyncio
import string
from datetime import UTC, datetime, timedelta

import pytest

from consumers.readers.imports import import_csv
from consumers.readers.links import Purpose, Whose
from contracts import subjects
from contracts.letter import LetterKind
from contracts.links import LinkRefused, Why
from contracts.subscriber import UNTIL_RESUMED
from contracts.vocabulary import DEFAULT
from tests.conftest import Clock
from tests.reader_house import ADDRESS, CONSENT, KEYS, KNOWN, House, a_form, act

NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@pytest.fixture
def house(bus, tmp_path):
    return House(bus, tmp_path, Clock(NOON.timestamp()))


async def test_nothing_is_kept_of_an_address_that_is_not_confirmed(house):
    async with house.browser() as browser:
        await browser.post("/dang-ky", data=a_form(name="Nguyễn Văn An"))
    assert [one.kind for one in await house.post()] == [LetterKind.CONFIRM]
    everything = await house.everything()
    assert ADDRESS.encode() not in everything
    assert "Nguyễn".encode() not in everything
    assert await house.readers() == []


async def test_who_confirms_is_a_reader_with_a_consent_that_can_be_proven(house):
    wishes = {"topics": ["viec-lam", "chuyen-doi-so"], "units": ["van-phong-bo"]}
    one = await house.joined(name="Nguyễn Văn An", frequency="weekly", **wishes)
    assert (one.email, one.name, one.active) == (ADDRESS, "Nguyễn Văn An", True)
    assert one.topics == ("chuyen-doi-so", "viec-lam")
    assert (one.units, one.audiences, one.frequency) == (("van-phong-bo",), (), "weekly")
    assert (one.consent.version, one.consent.at) == (CONSENT, NOON)
    assert one.consent.ip == house.people.hashed("198.51.100.7")
    assert b"198.51.100.7" not in await house.everything()


async def test_a_link_pressed_twice_is_done_once_and_does_not_bring_back_who_left(house):
    async with house.browser() as browser:
        await browser.post("/dang-ky", data=a_form())
        path = (await house.last()).path
        assert [(await browser.post(path)).status_code for _ in range(2)] == [200, 200]
        [one] = await house.readers()
        await house.leaving.leave(one.id)
        assert (await browser.post(path)).status_code == 410
    assert [reader.active for reader in await house.readers()] == [False]


async def test_a_crash_before_the_link_was_marked_brings_nobody_back_either(house, bus):
    async with house.browser() as browser:
        await browser.post("/dang-ky", data=a_form())
        path = (await house.last()).path
        await browser.post(path)
        [used] = await bus.bucket(subjects.NOTICES.name).keys("used.")
        await bus.bucket(subjects.NOTICES.name).purge(used)
        await house.leaving.leave((await house.readers())[0].id)
        assert (await browser.post(path)).status_code == 410


async def test_a_second_press_marks_the_link_that_a_crash_had_left_unmarked(house, bus):
    notices = bus.bucket(subjects.NOTICES.name)
    async with house.browser() as browser:
        await browser.post("/dang-ky", data=a_form())
        path = (await house.last()).path
        await browser.post(path)
        await notices.purge((await notices.keys("used."))[0])
        assert (await browser.post(path)).status_code == 200
        await house.leaving.erase(await house.reader(), ADDRESS, reason="test")
        assert (await browser.post(path)).status_code == 410
    assert await house.readers() == []


async def test_whoever_left_comes_back_by_subscribing_again(house):
    before = await house.joined(topics=["viec-lam"])
    await house.leaving.leave(before.id)
    house.clock.advance(60)
    after = await house.joined(frequency="daily")
    assert (after.id, after.active, after.topics) == (before.id, True, ())
    assert (after.frequency, after.left_at) == ("daily", None)
    assert after.frequency_since == house_now(house)


async def test_who_leaves_is_forgotten_but_for_the_id_and_no_import_brings_them_back(
    house, bus, tmp_path
):
    one = await house.joined(name="Nguyễn Văn An", topics=["viec-lam"])
    await house.leaving.leave(one.id)
    await house.post()
    everything = await house.everything()
    assert ADDRESS.encode() not in everything
    assert "Nguyễn".encode() not in everything
    path = tmp_path / "readers.csv"
    path.write_text(f"email,name,topics,audiences,units,frequency\n{ADDRESS},An,,,,\n")
    report = await import_csv(bus, path, DEFAULT, KEYS.derive("addresses"))
    assert (report.added, report.updated, report.unchanged) == (0, 0, 1)
    assert ADDRESS.encode() not in await house.everything()


async def test_an_erasure_leaves_nothing_at_all(house):
    one = await house.joined(name="Nguyễn Văn An")
    async with house.inside() as browser:
        answer = await act(browser, "/xoa")
        assert "Đã xóa" in answer.text
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403
    assert [letter.kind for letter in await house.post()] == [LetterKind.ERASED]
    everything = await house.everything()
    assert ADDRESS.encode() not in everything
    assert one.id.encode() not in everything
    assert house.people.address(ADDRESS).encode() not in everything


async def test_a_change_of_rhythm_is_remembered_with_what_was_before(house):
    await house.joined()
    house.clock.advance(3600)
    async with house.inside() as browser:
        await act(browser, frequency="daily", name="An", topics=["viec-lam"])
    one = await house.reader()
    assert (one.frequency, one.frequency_before) == ("daily", "immediate")
    assert one.frequency_since == house_now(house)
    assert (one.name, one.topics, one.consent.version) == ("An", ("viec-lam",), CONSENT)


async def test_a_pause_ends_on_a_day_or_when_the_reader_says(house):
    await house.joined()
    async with house.inside() as browser:
        await act(browser, "/tam-dung", until="05/01/2027")
        one = await house.reader()
        assert one.paused_until == datetime(2027, 1, 4, 17, tzinfo=UTC)  # midnight in Vietnam
        assert one.paused_at(house_now(house))
        await act(browser, "/tam-dung", open="1", until="")
        assert (await house.reader()).paused_until == UNTIL_RESUMED
        await act(browser, "/nhan-lai")
        assert (await house.reader()).paused_until is None


async def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(house):
    before = await house.joined(topics=["viec-lam"])
    async with house.inside() as browser:
        await act(browser, "/dia-chi", email="moi@example.com")
        asked = await house.last()
        assert (asked.kind, asked.address, asked.other) == (
            LetterKind.CHANGE, "moi@example.com", "on***@example.com",
        )  # fmt: skip
        assert (await house.reader()).email == ADDRESS
        assert (await browser.post(asked.path)).status_code == 200
        assert (await browser.post(asked.path)).status_code == 200
    told = await house.last()
    assert (told.kind, told.address, told.other) == (
        LetterKind.CHANGED, ADDRESS, "mo***@example.com",
    )  # fmt: skip
    after = await house.reader("moi@example.com")
    assert after == before.model_copy(update={"email": "moi@example.com"})
    assert await house.people.by_address(ADDRESS) is None


async def test_who_moves_away_shuts_the_door_on_whoever_has_the_old_mailbox(house):
    one = await house.joined()
    async with house.inside() as intruder, house.browser() as other:
        await other.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        way_in = (await house.last()).path
        await house.people.move(one.id, ADDRESS, "moi@example.com")
        assert (await intruder.get("/dang-ky/tuy-chon")).status_code == 403
        assert (await intruder.get("/dang-ky/tuy-chon/du-lieu")).status_code == 403
        assert (await other.post(way_in)).status_code == 410
    async with house.inside("moi@example.com") as owner:
        assert (await owner.get("/dang-ky/tuy-chon")).status_code == 200


async def test_an_address_that_was_left_for_another_is_brought_back_by_its_owner_alone(
    house, bus, tmp_path
):
    one = await house.joined(topics=["viec-lam"])
    assert await house.people.move(one.id, ADDRESS, "moi@example.com")
    assert await house.people.by_address(ADDRESS) is None
    assert not await house.people.left_over(ADDRESS)
    path = tmp_path / "readers.csv"
    path.write_text(f"email,name,topics,audiences,units,frequency\n{ADDRESS},,,,,\n")
    report = await import_csv(bus, path, DEFAULT, KEYS.derive("addresses"))
    assert (report.added, report.unchanged, len(await house.readers())) == (0, 1, 1)
    other = await house.joined()
    assert (other.id != one.id, other.topics) == (True, ())
    assert (await house.reader("moi@example.com")).topics == ("viec-lam",)


async def test_two_who_move_to_one_address_at_once_do_not_share_it(house):
    one, other = await house.joined(), await house.joined(KNOWN)
    new = "moi@example.com"
    moves = [house.people.move(one.id, ADDRESS, new), house.people.move(other.id, KNOWN, new)]
    done = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(map(str, done)) == ["", "True"]  # one is Taken
    assert sorted(reader.email for reader in await house.readers() if reader.email == new) == [new]


async def test_many_presses_at_once_make_one_reader(house):
    async with house.browser() as browser:
        paths = []
        for _ in range(2):
            await browser.post("/dang-ky", data=a_form())
            paths.append((await house.last()).path)
        answers = await asyncio.gather(*(browser.post(path) for path in paths * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await house.readers()) == 1


async def test_nobody_moves_to_the_address_of_another_reader(house):
    await house.joined()
    await house.joined(KNOWN)
    async with house.inside() as browser:
        answer = await act(browser, "/dia-chi", email=KNOWN)
        assert "Xin kiểm tra hộp thư mới" in answer.text  # as for any address
        assert (await browser.post((await house.last()).path)).status_code == 409
    assert len({one.email for one in await house.readers()}) == 2


async def test_a_way_in_belongs_to_the_browser_that_opened_it_first(house):
    await house.joined()
    async with house.browser() as browser, house.browser() as other, house.browser() as scanner:
        await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        path = (await house.last()).path
        shown = [(await one.get(path)).status_code for one in (scanner, other, browser)]
        assert shown == [200] * 3, "whoever only fetches it opens nothing"
        presses = await asyncio.gather(*(browser.post(path) for _ in range(2)))
        assert [one.status_code for one in presses] == [303, 303], "a double click is one press"
        for late in (other, scanner):
            assert (await late.get(path)).status_code == 410
            answer = await late.post(path)
            assert (answer.status_code, "set-cookie" in answer.headers) == (410, False)
        house.clock.advance(1800)
        assert (await browser.get(path)).status_code == 200
        assert (await browser.post(path)).status_code == 303
        await act(browser, "/thoat")
        assert (await browser.post(path)).status_code == 410, "who has gone out is out"


async def test_a_way_in_ends_with_its_hour_in_its_own_browser_too(house):
    await house.joined()
    async with house.browser() as browser:
        await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        path = (await house.last()).path
        assert (await browser.post(path)).status_code == 303
        house.clock.advance(3600)
        assert (await browser.post(path)).status_code == 410
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_ends_is_not_forged_and_is_good_for_nothing_else(house, purpose):
    whose = Whose(id="an", address="a.k3")
    link = house.links.make(purpose, whose)
    assert house.links.read(purpose, link.token, Whose) == whose
    others = [one for one in Purpose if one is not purpose]
    broken = [link.token[:-4] + "AAAA", link.token[:50], "", "á" * 80, "A" * 7000]
    for kind, token in [*((one, link.token) for one in others), *((purpose, t) for t in broken)]:
        with pytest.raises(LinkRefused) as refused:
            house.links.read(kind, token, Whose)
        assert refused.value.why is Why.FORGED
    house.clock.advance((link.ends - house_now(house)) / timedelta(seconds=1))
    with pytest.raises(LinkRefused) as refused:
        house.links.read(purpose, link.token, Whose)
    assert refused.value.why is Why.EXPIRED


async def test_a_link_has_one_spelling_so_that_once_is_once(house):
    await house.joined()
    async with house.browser() as browser:
        await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        path = (await house.last()).path
        assert (await browser.post(path)).status_code == 303
        house.clock.advance(121)
        last = ALPHABET[ALPHABET.index(path[-1]) ^ 1]  # bits that no byte has
        for other in (f"{path}=", f"{path}%0A", f"{path[:-5]}!{path[-5:]}", path[:-1] + last):
            answer = await browser.post(other)
            assert (answer.status_code, answer.headers.get("set-cookie")) == (404, None), other


async def test_a_mails_link_ends_a_subscription_however_often(house):
    one = await house.joined()
    token = house.signer.token(one.id)
    assert [await house.leaving.by_token(token) for _ in range(2)] == [True, True]
    assert not (await house.readers())[0].active
    assert await house.leaving.by_token(house.signer.token("nobody"))
    assert not await house.leaving.by_token(token[:-1])


def house_now(house: House) -> datetime:
    return datetime.fromtimestamp(house.clock(), UTC)
