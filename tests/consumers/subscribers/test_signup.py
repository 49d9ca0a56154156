"""Sign-up, preferences and unsubscribing: which data are stored, and which are not."""

import asyncio
import string
from datetime import UTC, datetime, timedelta

import pytest

from consumers.subscribers.tokens import LinkOwner, TokenPurpose
from contracts import subjects
from contracts.base.times import utc_now
from contracts.subscriptions.errors import LinkProblem, LinkRefused
from contracts.subscriptions.signup import SignupApplication
from contracts.subscriptions.subscriber import UNTIL_RESUMED
from contracts.subscriptions.transactional import TransactionalKind
from tests.support.signup_app import ADDRESS, CONSENT, KNOWN, NOON, press_button, signup_form

ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


@pytest.mark.promise("14.1")
async def test_nothing_is_kept_of_an_address_that_is_not_confirmed(signup_app):
    async with signup_app.client() as browser:
        await browser.post("/dang-ky", data=signup_form(name="Nguyễn Văn An"))
    assert [one.kind for one in await signup_app.send_mails()] == [TransactionalKind.CONFIRM]
    everything = await signup_app.stored_bytes()
    assert ADDRESS.encode() not in everything
    assert "Nguyễn".encode() not in everything
    assert await signup_app.subscribers() == []


@pytest.mark.promise("14.1")
async def test_who_confirms_is_a_reader_with_a_consent_that_can_be_proven(signup_app):
    wishes = {"topics": ["viec-lam", "chuyen-doi-so"], "units": ["van-phong-bo"]}
    one = await signup_app.subscribed(name="Nguyễn Văn An", frequency="weekly", **wishes)
    assert (one.email, one.name, one.active) == (ADDRESS, "Nguyễn Văn An", True)
    assert one.topics == ("chuyen-doi-so", "viec-lam")
    assert (one.units, one.audiences, one.frequency) == (("van-phong-bo",), (), "weekly")
    assert (one.consent.version, one.consent.at) == (CONSENT, NOON)
    assert one.consent.ip == signup_app.store.keyed_hash("198.51.100.7")
    assert b"198.51.100.7" not in await signup_app.stored_bytes()


async def test_a_link_pressed_twice_is_done_once_and_does_not_bring_back_who_left(signup_app):
    async with signup_app.client() as browser:
        path = await signup_app.applied(browser)
        assert [(await browser.post(path)).status_code for _ in range(2)] == [200, 200]
        [one] = await signup_app.subscribers()
        await signup_app.unsubscribe.unsubscribe(one.id)
        assert (await browser.post(path)).status_code == 410
    assert [reader.active for reader in await signup_app.subscribers()] == [False]


async def test_a_crash_before_the_link_was_marked_brings_nobody_back_either(signup_app, bus):
    async with signup_app.client() as browser:
        path = await signup_app.applied(browser)
        await browser.post(path)
        [used] = await bus.bucket(subjects.NOTICES.name).keys("used.")
        await bus.bucket(subjects.NOTICES.name).purge(used)
        await signup_app.unsubscribe.unsubscribe((await signup_app.subscribers())[0].id)
        assert (await browser.post(path)).status_code == 410


async def test_a_second_press_marks_the_link_that_a_crash_had_left_unmarked(signup_app, bus):
    notices = bus.bucket(subjects.NOTICES.name)
    async with signup_app.client() as browser:
        path = await signup_app.applied(browser)
        await browser.post(path)
        await notices.purge((await notices.keys("used."))[0])
        assert (await browser.post(path)).status_code == 200
        await signup_app.unsubscribe.erase(await signup_app.subscriber(), ADDRESS, reason="test")
        assert (await browser.post(path)).status_code == 410
    assert await signup_app.subscribers() == []


async def test_whoever_left_comes_back_by_subscribing_again(signup_app):
    before = await signup_app.subscribed(topics=["viec-lam"])
    await signup_app.unsubscribe.unsubscribe(before.id)
    signup_app.clock.advance(60)
    after = await signup_app.subscribed(frequency="daily")
    assert (after.id, after.active, after.topics) == (before.id, True, ())
    assert (after.frequency, after.left_at) == ("daily", None)
    assert after.frequency_since == utc_now(signup_app.clock)


@pytest.mark.promise("14.3")
async def test_who_leaves_is_forgotten_but_for_the_id_despite_imports(signup_app, bus, tmp_path):
    one = await signup_app.subscribed(name="Nguyễn Văn An", topics=["viec-lam"])
    await signup_app.unsubscribe.unsubscribe(one.id)
    await signup_app.send_mails()
    everything = await signup_app.stored_bytes()
    assert ADDRESS.encode() not in everything
    assert "Nguyễn".encode() not in everything
    report = await signup_app.import_address(tmp_path)
    assert (report.added, report.updated, report.unchanged) == (0, 0, 1)
    assert ADDRESS.encode() not in await signup_app.stored_bytes()


@pytest.mark.promise("14.3")
async def test_an_erasure_leaves_nothing_at_all(signup_app):
    one = await signup_app.subscribed(name="Nguyễn Văn An")
    async with signup_app.signed_in() as browser:
        answer = await press_button(browser, "/xoa")
        assert "Đã xóa" in answer.text
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403
    assert [letter.kind for letter in await signup_app.send_mails()] == [TransactionalKind.ERASED]
    everything = await signup_app.stored_bytes()
    assert ADDRESS.encode() not in everything
    assert one.id.encode() not in everything
    assert signup_app.store.key_of_address(ADDRESS).encode() not in everything


async def test_a_change_of_rhythm_is_remembered_with_what_was_before(signup_app):
    await signup_app.subscribed()
    signup_app.clock.advance(3600)
    async with signup_app.signed_in() as browser:
        await press_button(browser, frequency="daily", name="An", topics=["viec-lam"])
    one = await signup_app.subscriber()
    assert (one.frequency, one.frequency_before) == ("daily", "immediate")
    assert one.frequency_since == utc_now(signup_app.clock)
    assert (one.name, one.topics, one.consent.version) == ("An", ("viec-lam",), CONSENT)


async def test_a_pause_ends_on_a_day_or_when_the_reader_says(signup_app):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        await press_button(browser, "/tam-dung", until="05/01/2027")
        one = await signup_app.subscriber()
        assert one.paused_until == datetime(2027, 1, 4, 17, tzinfo=UTC)  # midnight in Vietnam
        assert one.is_paused_at(utc_now(signup_app.clock))
        await press_button(browser, "/tam-dung", open="1", until="")
        assert (await signup_app.subscriber()).paused_until == UNTIL_RESUMED
        await press_button(browser, "/nhan-lai")
        assert (await signup_app.subscriber()).paused_until is None


async def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(signup_app):
    before = await signup_app.subscribed(topics=["viec-lam"])
    async with signup_app.signed_in() as browser:
        await press_button(browser, "/dia-chi", email="moi@example.com")
        asked = await signup_app.last_mail()
        assert (asked.kind, asked.address, asked.other) == (
            TransactionalKind.CHANGE, "moi@example.com", "on***@example.com",
        )  # fmt: skip
        assert (await signup_app.subscriber()).email == ADDRESS
        assert (await browser.post(asked.path)).status_code == 200
        assert (await browser.post(asked.path)).status_code == 200
    told = await signup_app.last_mail()
    assert (told.kind, told.address, told.other) == (
        TransactionalKind.CHANGED, ADDRESS, "mo***@example.com",
    )  # fmt: skip
    after = await signup_app.subscriber("moi@example.com")
    assert after == before.model_copy(update={"email": "moi@example.com"})
    assert await signup_app.store.find_by_address(ADDRESS) is None


@pytest.mark.promise("14.4")
async def test_who_moves_away_shuts_the_door_on_whoever_has_the_old_mailbox(signup_app):
    one = await signup_app.subscribed()
    async with signup_app.signed_in() as intruder, signup_app.client() as other:
        way_in = await signup_app.access_path(other)
        await signup_app.store.change_address(one.id, ADDRESS, "moi@example.com")
        assert (await intruder.get("/dang-ky/tuy-chon")).status_code == 403
        assert (await intruder.get("/dang-ky/tuy-chon/du-lieu")).status_code == 403
        assert (await other.post(way_in)).status_code == 410
    async with signup_app.signed_in("moi@example.com") as owner:
        assert (await owner.get("/dang-ky/tuy-chon")).status_code == 200


async def test_an_address_left_for_another_is_brought_back_by_its_owner(signup_app, bus, tmp_path):
    one = await signup_app.subscribed(topics=["viec-lam"])
    assert await signup_app.store.change_address(one.id, ADDRESS, "moi@example.com")
    assert await signup_app.store.find_by_address(ADDRESS) is None
    assert not await signup_app.store.purge_leftovers(ADDRESS)
    report = await signup_app.import_address(tmp_path)
    assert (report.added, report.unchanged, len(await signup_app.subscribers())) == (0, 1, 1)
    other = await signup_app.subscribed()
    assert (other.id != one.id, other.topics) == (True, ())
    assert (await signup_app.subscriber("moi@example.com")).topics == ("viec-lam",)


async def test_two_who_move_to_one_address_at_once_do_not_share_it(signup_app):
    one, other = await signup_app.subscribed(), await signup_app.subscribed(KNOWN)
    new = "moi@example.com"
    moves = [
        signup_app.store.change_address(one.id, ADDRESS, new),
        signup_app.store.change_address(other.id, KNOWN, new),
    ]
    done = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(map(str, done)) == ["", "True"]  # one gets AddressTaken
    assert [one.email for one in await signup_app.subscribers()].count(new) == 1


async def test_many_presses_at_once_make_one_reader(signup_app):
    async with signup_app.client() as browser:
        paths = [await signup_app.applied(browser) for _ in range(2)]
        answers = await asyncio.gather(*(browser.post(path) for path in paths * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await signup_app.subscribers()) == 1


async def test_nobody_moves_to_the_address_of_another_reader(signup_app):
    await signup_app.subscribed()
    await signup_app.subscribed(KNOWN)
    async with signup_app.signed_in() as browser:
        answer = await press_button(browser, "/dia-chi", email=KNOWN)
        assert "Xin kiểm tra hộp thư mới" in answer.text  # the same answer as for any address
        assert (await browser.post((await signup_app.last_mail()).path)).status_code == 409
    assert len({one.email for one in await signup_app.subscribers()}) == 2


@pytest.mark.promise("14.4")
async def test_a_way_in_belongs_to_the_browser_that_opened_it_first(signup_app):
    await signup_app.subscribed()
    client = signup_app.client
    async with client() as browser, client() as other, client() as scanner:
        path = await signup_app.access_path(browser)
        shown = [(await one.get(path)).status_code for one in (scanner, other, browser)]
        assert shown == [200] * 3, "whoever only fetches it opens nothing"
        presses = await asyncio.gather(*(browser.post(path) for _ in range(2)))
        assert [one.status_code for one in presses] == [303, 303], "a double click is one press"
        for late in (other, scanner):
            assert (await late.get(path)).status_code == 410
            answer = await late.post(path)
            assert (answer.status_code, "set-cookie" in answer.headers) == (410, False)
        signup_app.clock.advance(1800)
        assert (await browser.get(path)).status_code == 200
        assert (await browser.post(path)).status_code == 303
        await press_button(browser, "/thoat")
        assert (await browser.post(path)).status_code == 410, "who has gone out is out"


async def test_a_way_in_ends_with_its_hour_in_its_own_browser_too(signup_app):
    await signup_app.subscribed()
    async with signup_app.client() as browser:
        path = await signup_app.access_path(browser)
        assert (await browser.post(path)).status_code == 303
        signup_app.clock.advance(3600)
        assert (await browser.post(path)).status_code == 410
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403


@pytest.mark.parametrize("purpose", TokenPurpose)
def test_a_link_ends_is_not_forged_and_is_good_for_nothing_else(signup_app, purpose):
    whose = LinkOwner(id="an", address="a.k3")
    link = signup_app.links.issue(purpose, whose)
    assert signup_app.links.read(purpose, link.token, LinkOwner) == whose
    others = [one for one in TokenPurpose if one is not purpose]
    broken = [link.token[:-4] + "AAAA", link.token[:50], "", "á" * 80, "A" * 7000]
    for kind, token in [*((one, link.token) for one in others), *((purpose, t) for t in broken)]:
        with pytest.raises(LinkRefused) as refused:
            signup_app.links.read(kind, token, LinkOwner)
        assert refused.value.problem is LinkProblem.FORGED
    signup_app.clock.advance((link.expires_at - utc_now(signup_app.clock)) / timedelta(seconds=1))
    with pytest.raises(LinkRefused) as refused:
        signup_app.links.read(purpose, link.token, LinkOwner)
    assert refused.value.problem is LinkProblem.EXPIRED


@pytest.mark.promise("14.1")
async def test_a_link_has_one_spelling_so_that_once_is_once(signup_app):
    await signup_app.subscribed()
    async with signup_app.client() as browser:
        path = await signup_app.access_path(browser)
        assert (await browser.post(path)).status_code == 303
        signup_app.clock.advance(121)
        last = ALPHABET[ALPHABET.index(path[-1]) ^ 1]  # padding bits that are not zero
        for other in (f"{path}=", f"{path}%0A", f"{path[:-5]}!{path[-5:]}", path[:-1] + last):
            answer = await browser.post(other)
            assert (answer.status_code, answer.headers.get("set-cookie")) == (404, None), other


async def test_a_mails_link_ends_a_subscription_however_often(signup_app):
    one = await signup_app.subscribed()
    token = signup_app.signer.token(one.id)
    assert await signup_app.unsubscribe.unsubscribe_by_token(token)
    assert await signup_app.unsubscribe.unsubscribe_by_token(token)
    assert not (await signup_app.subscribers())[0].active
    assert await signup_app.unsubscribe.unsubscribe_by_token(signup_app.signer.token("nobody"))
    assert not await signup_app.unsubscribe.unsubscribe_by_token(token[:-1])


async def test_each_change_of_the_consent_is_kept_in_the_readers_record(signup_app):
    person = await signup_app.subscribed()
    await signup_app.preferences.save(person, SignupApplication(frequency="weekly"))
    await signup_app.preferences.save(person, SignupApplication(frequency="weekly"))
    await signup_app.unsubscribe.unsubscribe(person.id)
    await signup_app.unsubscribe.unsubscribe(person.id)
    back = await signup_app.subscribed()
    ways = [(event.change, event.by) for event in back.consent_history]
    assert ways == [
        ("given", "page"), ("changed", "page"), ("withdrawn", "mail"), ("given", "page"),
    ]  # fmt: skip
    assert {event.version for event in back.consent_history} == {CONSENT}
