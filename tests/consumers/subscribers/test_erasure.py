"""Erasure by every way, and with every interruption: the page's answer is true."""

import pytest
import structlog

from consumers.subscribers.sealing import RecordSealer
from consumers.subscribers.store import former_readers
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.subscriptions.transactional import TransactionalKind, UnsubscribeResult
from producers.bus import NoReply
from producers.encryption import PersonKeys
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.signup_app import ADDRESS, KNOWN, NOON, SignupApp, heading, press_button

NEW = "moi@example.com"
CALLS = 30
"""More than an erasure needs."""
UNREADABLE = b'{"letter":{"kind":"of-a-newer-loa","address":"an@example.com"}}'


@pytest.fixture
def bucket(bus):
    return bus.bucket(subjects.SUBSCRIBERS.name)


async def silent(*_: object) -> None:
    raise NoReply("no answer")


async def moved(app, person):
    """The same subscriber at NEW; both mails have been sent."""
    await app.preferences.confirm_address_change(await app.change_token(person, NEW))
    await app.send_mails()
    return await app.subscriber(NEW)


def said(logs):
    return [one["event"] for one in logs]


# --- pending entries


async def test_a_note_that_nobody_can_read_stops_no_other(signup_app, bucket, monkeypatch):
    await bucket.put("f.letter-aaaaaaaaaaaaaaaaaaaa", UNREADABLE)
    person = await signup_app.subscribed()
    with monkeypatch.context() as away:
        away.setattr(signup_app.mailer, "send_once", silent)
        await signup_app.preferences.erase(person)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await signup_app.closing_mail.finish_all()
    assert said(logs).count("farewell_unreadable") == 1
    [cry] = [one for one in logs if one["event"] == "farewell_unreadable"]
    assert (cry["log_level"], cry["content_id"]) == ("error", "letter-aaaaaaaaaaaaaaaaaaaa")
    assert "example" not in str(logs)
    assert [one.kind for one in await signup_app.send_mails()] == [TransactionalKind.ERASED]
    assert await bucket.keys() == ["f.letter-aaaaaaaaaaaaaaaaaaaa"]


@pytest.mark.parametrize(
    ("path", "says", "kind"),
    [
        ("/ngung", "Quý vị đã ngừng nhận tin", TransactionalKind.GOODBYE),
        ("/xoa", "Đang xóa dữ liệu của Quý vị", TransactionalKind.ERASED),
    ],
)
async def test_what_stands_is_said_despite_a_silent_bus(signup_app, monkeypatch, path, says, kind):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        with monkeypatch.context() as away:
            away.setattr(signup_app.mailer, "send_once", silent)
            answer = await press_button(browser, path)
        assert (answer.status_code, heading(answer)) == (200, says)
    assert not any(one.active for one in await signup_app.subscribers())
    await signup_app.closing_mail.finish_all()
    assert [one.kind for one in await signup_app.send_mails()] == [kind]


async def test_a_change_whose_answer_was_lost_is_known_as_ones_own(signup_app, bucket, monkeypatch):
    person, batch, lost = await signup_app.subscribed(), type(bucket).batch, []

    async def unanswered(self, entries, **more):
        revision = await batch(self, entries, **more)
        if not lost:
            lost.append(revision)
            raise NoReply("no answer")
        return revision

    monkeypatch.setattr(type(bucket), "batch", unanswered)
    assert await signup_app.preferences.unsubscribe(person) is UnsubscribeResult.DONE
    assert lost
    assert [one.kind for one in await signup_app.send_mails()] == [TransactionalKind.GOODBYE]


async def test_two_presses_make_one_letter(signup_app):
    person = await signup_app.subscribed()
    for _ in range(2):
        await signup_app.preferences.unsubscribe(person)
    for _ in range(2):
        await signup_app.preferences.erase(person)
    kinds = [one.kind for one in await signup_app.send_mails()]
    assert sorted(kinds) == [TransactionalKind.ERASED, TransactionalKind.GOODBYE]


# --- true answers


async def test_who_left_by_a_mail_at_that_moment_is_erased_too(signup_app, bucket, monkeypatch):
    person = await signup_app.subscribed()
    leave = signup_app.store.deactivate

    async def later(id, *rest):
        monkeypatch.setattr(signup_app.store, "deactivate", leave)
        await signup_app.unsubscribe.unsubscribe(id)
        return await leave(id, *rest)

    async with signup_app.signed_in() as browser:
        monkeypatch.setattr(signup_app.store, "deactivate", later)
        with structlog.testing.capture_logs() as logs:
            answer = await press_button(browser, "/xoa")
    assert heading(answer) == "Đã xóa dữ liệu của Quý vị"
    assert await bucket.keys() == []
    assert said(logs).count("reader_erased") == said(logs).count("reader_left") == 1
    assert person.id.encode() not in await signup_app.stored_bytes()


async def test_what_had_been_done_before_is_not_logged_again(signup_app):
    person = await signup_app.subscribed()
    await signup_app.unsubscribe.unsubscribe(person.id)
    with structlog.testing.capture_logs() as logs:
        await signup_app.preferences.unsubscribe(person)
    assert "reader_left" not in said(logs)
    await signup_app.preferences.erase(person)
    with structlog.testing.capture_logs() as logs:
        await signup_app.preferences.erase(person)
    assert "reader_erased" not in said(logs)


# --- inactive subscribers


@pytest.mark.promise("14.3")
async def test_who_has_left_deletes_the_rest_by_the_same_link(signup_app, bucket):
    person = await signup_app.subscribed()
    path = f"/huy/{signup_app.signer.token(person.id)}"
    async with signup_app.client() as browser:
        assert (await browser.get(f"{path}/xoa")).headers["location"] == path
        assert (await browser.post(f"{path}/xoa")).headers["location"] == path
        assert await signup_app.subscriber() == person, "who reads has to leave first"
        for page in (await browser.post(path), await browser.get(path)):
            assert f'href="{path}/xoa"' in page.text
        asked = await browser.get(f"{path}/xoa")
        assert "<button" in asked.text
        assert len(await signup_app.subscribers()) == 1, "fetching it deletes nothing"
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                done = await browser.post(f"{path}/xoa")
                assert (done.status_code, heading(done)) == (200, "Đã xóa dữ liệu của Quý vị")
    assert said(logs).count("reader_erased") == 1
    assert await bucket.keys() == []
    async with signup_app.client() as browser:
        for method in (browser.get, browser.post):
            assert (await method("/huy/sai/xoa")).status_code == 404


@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
async def test_a_process_that_dies_while_deleting_is_followed_up(bus, tmp_path, bucket, after):
    clock, done, calls = FakeClock(NOON.timestamp()), False, 0
    while not done:
        calls, survivor = calls + 1, SignupApp(bus, tmp_path / str(calls), clock)
        assert calls < CALLS
        clock.advance(86400)
        person = await moved(survivor, await survivor.subscribed())
        await survivor.unsubscribe.unsubscribe(person.id)
        dying = SignupApp(crashing_bus(bus, calls, after=after), tmp_path / f"dying {calls}", clock)
        try:
            await dying.unsubscribe.erase_by_token(dying.signer.token(person.id))
            done = True
        except SimulatedCrash:
            await survivor.closing_mail.finish_all()
            if (
                await survivor.subscribers()
            ):  # died before the pending entry: the button is still shown
                await survivor.unsubscribe.erase_by_token(survivor.signer.token(person.id))
        assert await bucket.keys() == [], calls
    assert calls > 5


async def test_the_same_press_again_deletes_what_an_erasure_has_left(signup_app, bucket):
    person = await moved(signup_app, await signup_app.subscribed())
    await signup_app.unsubscribe.unsubscribe(person.id)
    await bucket.purge(f"s.{person.id}")
    assert len(await bucket.keys()) == 3  # two addresses and their list
    assert await signup_app.unsubscribe.erase_by_token(signup_app.signer.token(person.id))
    assert await bucket.keys() == []


async def test_who_comes_back_in_the_middle_keeps_record_and_address(signup_app, monkeypatch):
    person = await signup_app.subscribed()
    await signup_app.unsubscribe.unsubscribe(person.id)
    forget = signup_app.store.purge_inactive

    async def later(id):
        await signup_app.subscribed(topics=["viec-lam"])
        return await forget(id)

    monkeypatch.setattr(signup_app.store, "purge_inactive", later)
    assert not await signup_app.unsubscribe.erase_by_token(signup_app.signer.token(person.id))
    assert (await signup_app.subscriber()).topics == ("viec-lam",)


# --- former addresses


async def erased_on_the_page(app, person):
    await app.preferences.erase(person)


async def erased_by_an_operator(app, person):
    await app.unsubscribe.erase(person, person.email, reason="test")


async def cut_short_then_again(app, person):
    await app.bus.bucket(subjects.SUBSCRIBERS.name).purge(f"s.{person.id}")
    assert await app.store.purge_leftovers(person.email)


@pytest.mark.promise("14.3")
@pytest.mark.parametrize("erase", [erased_on_the_page, erased_by_an_operator, cut_short_then_again])
async def test_an_erasure_takes_left_addresses_along(signup_app, bus, bucket, tmp_path, erase):
    other = await signup_app.subscribed(KNOWN)
    person = await moved(signup_app, await signup_app.subscribed())
    assert len(await bucket.keys("a.")) == 3
    await erase(signup_app, person)
    await signup_app.send_mails()
    assert sorted(await bucket.keys()) == sorted(
        [f"s.{other.id}", signup_app.store.key_of_address(KNOWN)]
    )
    report = await signup_app.import_address(tmp_path)
    assert report.added == 1, "nobody knows any more that they had been here"


async def test_a_mark_of_an_older_loa_names_nobody_still(signup_app, bus, bucket, tmp_path):
    person = await moved(signup_app, await signup_app.subscribed())
    await bucket.put(signup_app.store.key_of_address(ADDRESS), b"-")
    await signup_app.store.purge_address_keys(person.id)
    assert await signup_app.store.find_by_address(ADDRESS) is None
    assert await bucket.get(signup_app.store.key_of_address(ADDRESS))
    report = await signup_app.import_address(tmp_path)
    assert (report.added, report.unchanged) == (0, 1)


@pytest.mark.promise("14.3")
async def test_what_stands_against_an_address_outlives_the_reader_as_a_seal_alone(signup_app):
    await signup_app.subscribed()
    await signup_app.suppressions.add(ChannelName.EMAIL, ADDRESS, "complaint", None)
    await signup_app.preferences.erase(await signup_app.subscriber())
    assert await signup_app.suppressions.reason(ChannelName.EMAIL, ADDRESS) == "complaint"
    await signup_app.send_mails()
    assert ADDRESS.encode() not in await signup_app.stored_bytes()


# --- changing back to a former address


async def test_a_reader_moves_to_a_mailbox_that_works_again(signup_app):
    email = ChannelName.EMAIL
    person = await signup_app.subscribed()
    signup_app.relay.addresses.clear()
    await signup_app.suppressions.add(email, NEW, "bounced 5.1.1", None)
    token = await signup_app.change_token(person, NEW)
    assert signup_app.relay.addresses == [NEW]
    assert await signup_app.suppressions.reason(email, NEW), "nobody has opened it yet"
    await signup_app.preferences.confirm_address_change(token)
    assert await signup_app.suppressions.reason(email, NEW) is None


async def test_who_has_left_gets_a_new_key_and_the_record_stays(signup_app, bus):
    person = await signup_app.subscribed()
    stays = await signup_app.subscribed(KNOWN)
    await signup_app.unsubscribe.unsubscribe(person.id)
    sealer = RecordSealer(bus, signup_app.sealing_keys, signup_app.clock)
    with structlog.testing.capture_logs() as logs:
        await sealer.clean_keys()
        await sealer.clean_keys()
    [line] = [one for one in logs if one["event"] == "person_keys_renewed"]
    assert line["keys"] == 1
    names = set(await bus.bucket(subjects.PERSON_KEYS.name).keys(f"{subjects.SUBSCRIBERS.name}.s."))
    assert names == {f"subscribers.s.{person.id}.renewed", f"subscribers.s.{stays.id}"}
    left = await signup_app.store.find_by_id(person.id)
    assert (left.active, left.consent.version) == (False, person.consent.version)
    back = await signup_app.subscribed()
    assert (back.id, back.active) == (person.id, True)


async def test_the_daily_passes_open_no_record_of_a_reader_who_stays(signup_app, bus, monkeypatch):
    gone, stays = await signup_app.subscribed(), await signup_app.subscribed(KNOWN)
    await signup_app.unsubscribe.unsubscribe(gone.id)
    asked, load_many = set[str](), PersonKeys.load_many

    async def noted(self, names):
        asked.update(names)
        return await load_many(self, names)

    monkeypatch.setattr(PersonKeys, "load_many", noted)
    former = former_readers(signup_app.store.bucket)
    assert [reader.id async for reader in former] == [gone.id]
    assert asked == {f"subscribers.s.{gone.id}"}
    assert await signup_app.store.find_by_id(stays.id)
