"""Trials of a unit: their own history of each item, and mails to the unit's guests alone."""

import json
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from channels.base import Outcome, Verdict
from consumers.facts.notices import Notices
from consumers.intake.received import ReceivedEvent
from consumers.trials import service, store
from consumers.trials.guests import GuestAddresses
from consumers.trials.items import take_in
from contracts import subjects
from contracts.base.times import utc_now
from contracts.delivery import BatchKey, ChannelName, Status
from contracts.envelope import from_structured
from contracts.events import check
from contracts.trials.records import PROGRESS_KEY, GuestList, TrialProgress, event_key, guests_key
from contracts.vocabulary import DEFAULT
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, dying_buses
from tests.support.gateway_client import UNIT, sample_event
from tests.support.records_forger import seal_new_records
from tests.support.signup_app import KEYS, NOON
from tests.support.trials import TrialApp

AN, BINH = "an@moha.example", "binh@moha.example"
ITEM = "tin-thu"


def text(revision: int, kind: str = "submitted", **data):
    more = {"corrects_revision": revision - 1} if kind == "corrected" else {}
    facts = {"content_id": ITEM, "revision": revision, **more, **data}
    return sample_event(kind, id=f"{kind}-{revision}", **facts)


def withdrawal(name: str = "go"):
    return sample_event("withdrawn", id=name, content_id=ITEM)


@pytest.fixture
async def app(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path, AN, BINH) as app:
        yield app


@pytest.mark.promise("16.1")
async def test_each_guest_gets_an_item_once_and_nothing_is_published(app):
    before = await app.untouched()
    accepted = await app.send(text(1))
    mails = await app.arrived()
    assert [(mail.address, mail.publication.revision) for mail in mails] == [(AN, 1), (BINH, 1)]
    assert {mail.trial_unit for mail in mails} == {"Trung tâm Công nghệ thông tin"}
    assert await app.arrived() == []
    assert await app.untouched() == before
    status = await app.status(accepted)
    assert (status["state"], status["revision"], status["trial"]) == ("released", 1, True)
    assert list(status["channels"]) == ["email"]
    counts = status["channels"]["email"]
    assert (counts["expected"], counts["delivered"], counts["complete"]) == (2, 2, True)


async def test_a_repeat_of_a_trial_is_the_same_trial(app):
    first = await app.send(text(1))
    assert await app.send(text(1)) == first
    await app.arrived()
    assert await app.send(text(1)) == first
    assert await app.arrived() == []


async def test_a_correction_corrects_and_a_withdrawal_withdraws_what_guests_had(app):
    await app.send(text(1))
    await app.arrived()
    await app.dismiss(BINH)
    await app.invite("chi@moha.example")
    await app.send(text(2, "corrected"))
    corrected = {mail.address: mail for mail in await app.arrived()}
    assert {name: mail.is_correction for name, mail in corrected.items()} == {
        AN: True, "chi@moha.example": False,
    }  # fmt: skip
    assert {mail.publication.action for mail in corrected.values()} == {"corrected"}
    await app.invite("dung@moha.example")
    accepted = await app.send(withdrawal())
    withdrawn = await app.arrived()
    assert [mail.address for mail in withdrawn] == [AN, "chi@moha.example"]
    assert {mail.publication.action for mail in withdrawn} == {"withdrawn"}
    assert (await app.status(accepted))["state"] == "withdrawn"


async def test_the_rules_of_intake_hold_for_the_trials_own_history(app):
    refusals = {
        "corrected": (text(2, "corrected"), "data.content_id"),
        "withdrawn": (withdrawal(), "data.content_id"),
    }
    for event, field in refusals.values():
        accepted = await app.send(event)
        assert await app.arrived() == []
        status = await app.status(accepted)
        assert status["state"] == "refused"
        assert [one["errors"][0]["field"] for one in status["timeline"][1:]] == [field]
        assert "previews" not in status
    await app.send(text(3))
    older = await app.send(text(2))
    await app.arrived()
    assert (await app.status(older))["state"] == "refused"


async def test_a_second_withdrawal_reaches_no_one(app):
    for event in (text(1), withdrawal()):
        await app.send(event)
        await app.arrived()
    accepted = await app.send(withdrawal("go-2"))
    assert await app.arrived() == []
    assert (await app.status(accepted))["channels"]["email"]["expected"] == 0


async def test_a_trial_does_not_wait_for_the_time_of_its_item(app):
    await app.send(text(1, not_before="2027-01-01T00:00:00Z"))
    mails = await app.arrived()
    assert {mail.publication.not_before for mail in mails} == {None}


async def test_two_events_are_worked_through_in_the_order_of_their_acceptance(app):
    await app.send(text(1))
    await app.send(text(2, "corrected"))
    pending = await app.arrived()
    assert {(mail.address, mail.is_correction) for mail in pending} == {
        (AN, False), (BINH, False), (AN, True), (BINH, True),
    }  # fmt: skip


async def test_without_guests_a_trial_is_checked_and_reaches_no_one(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path) as app:
        accepted = await app.send(text(1))
        assert await app.arrived() == []
        status = await app.status(accepted)
        assert (status["state"], status["channels"]["email"]["expected"]) == ("released", 0)


@pytest.mark.promise("16.1")
@pytest.mark.parametrize("after", [False, True])
async def test_a_process_that_dies_at_any_call_sends_each_guest_one_mail(app, bus, after):
    await app.send(text(1))
    for dying in dying_buses(bus, after=after, fewest=4):
        service = app.new_service(dying)
        service.mailer = app.mailer
        try:
            await service.follow()
        except SimulatedCrash:
            continue
    mails = await app.arrived()
    assert [mail.address for mail in mails] == [AN, BINH]
    assert not any(mail.is_correction for mail in mails)


@pytest.mark.parametrize("verdict", [Verdict.DELIVERED, Verdict.FAILED])
async def test_a_mail_that_has_ended_leaves_no_address_and_no_copy_of_the_text(app, bus, verdict):
    app.relay.answer = lambda _: Outcome(verdict)
    await app.send(text(1, title="Tin của riêng đơn vị"))
    assert len(await app.arrived()) == 2
    stored = await app.stored_bytes()
    assert AN.encode() not in stored and BINH.encode() not in stored
    held = [line.partition(b"\0")[0] for line in stored.splitlines() if "riêng".encode() in line]
    kinds = {key.partition(b".")[0] for key in held}
    assert kinds == {b"event", b"item"}, "the trial, and the history of its item"
    assert [one async for one in bus.scan(subjects.DEAD.name)] == []


async def test_a_list_that_another_writer_made_has_no_guests(bus, tmp_path):
    seal_new_records(bus, KEYS)
    async with TrialApp.opened(bus, tmp_path, AN) as app:
        [key] = [one async for one, _ in app.store.units.values("guests.")]
        stranger = app.addresses.guest(UNIT, BINH, NOON)
        forged = GuestList(guests=(stranger,)).model_dump_json().encode()
        await bus.stored_bucket(subjects.TRIAL_UNITS.name).put(key, forged)
        await app.send(text(1))
        assert await app.arrived() == []


async def test_letters_of_trials_are_told_from_others_in_the_ledger(app):
    await app.send(text(1))
    await app.service.follow()
    for content_id in await app.pending_mails():
        entry = await app.entry(content_id)
        assert entry.notice_recipient == "trial"
        assert entry.count_by_status() == {Status.PENDING: 1}


@pytest.mark.promise("16.1")
async def test_no_report_counts_the_mails_of_trials(app, bus):
    await app.send(text(1))
    assert len(await app.arrived()) == 2
    app.clock.advance(2 * 86400)
    source = Notices(bus.bucket(subjects.LEDGER.name), app.clock)
    assert [one.fact async for one in source.derive(0) if one.fact] == []


async def test_a_failing_trial_holds_up_its_item_alone_until_it_works(app, monkeypatch):
    send_once = app.mailer.send_once

    async def fail_for_item(letter_id, mail):
        if mail.publication.content_id == ITEM:
            raise KeyError("a word of a newer version")
        await send_once(letter_id, mail)

    monkeypatch.setattr(app.mailer, "send_once", fail_for_item)
    for event in (text(1), text(2, "corrected"), text(1, content_id="tin-khac") | {"id": "khac"}):
        await app.send(event)
    with capture_logs() as lines:
        sent = [*await app.arrived(), *await app.arrived()]
    assert [(mail.address, mail.publication.content_id) for mail in sent] == [
        (AN, "tin-khac"), (BINH, "tin-khac"),
    ]  # fmt: skip
    assert [line["error"] for line in lines if line["event"] == "trial_failed"] == ["KeyError"]
    monkeypatch.undo()
    mails = await app.arrived()
    assert sorted((mail.address, mail.is_correction) for mail in mails) == [
        (AN, False), (AN, True), (BINH, False), (BINH, True),
    ]  # fmt: skip
    assert await app.arrived() == []


async def test_a_unit_that_the_words_do_not_know_has_its_id_in_the_mail(app):
    known = app.service.vocabulary
    units = {name: unit for name, unit in known.units.items() if name != UNIT}
    app.service.vocabulary = known.model_copy(update={"units": units})
    await app.send(text(1))
    assert {mail.trial_unit for mail in await app.arrived()} == {UNIT}


async def test_the_record_of_an_item_stays_small_however_often_it_is_revised():
    item, at = None, utc_now(FakeClock(NOON.timestamp()))
    for revision in range(1, 301):
        event = from_structured(json.dumps(text(revision)).encode())
        checked = ReceivedEvent(UNIT, event, check(event, DEFAULT), at)
        item = take_in(item, checked, ["an"])
        assert item.position_of(checked.event_id) == revision
    assert len(item.model_dump_json()) < 16_384
    assert item.had_earlier("an", 300)


async def test_few_mails_of_a_unit_are_under_way_at_a_time(app):
    for number in range(30):
        await app.send(text(1, content_id=f"tin-{number}") | {"id": f"e-{number}"})
    for _ in range(3):
        await app.service.follow()
    assert len(await app.pending_mails()) == 50
    rest = await app.send(text(1, content_id="tin-cuoi") | {"id": "cuoi"})
    await app.service.follow()
    assert (await app.status(rest))["state"] == "released", "it is decided on, and waits"
    assert len(await app.pending_mails()) == 50
    assert len(await app.arrived()) == 50
    assert len(await app.arrived()) == 12
    assert await app.arrived() == []


async def test_a_status_with_a_missing_mail_is_not_complete(app):
    accepted = await app.send(text(1))
    await app.arrived()
    [event] = [one async for _, one in app.store.newest(UNIT)]
    batch = BatchKey(ChannelName.EMAIL, event.letter_id(next(iter(event.mailed))), 1, 0)
    await app.ledger.bucket.purge(f"state.{batch}")
    counts = (await app.status(accepted))["channels"]["email"]
    assert (counts["missing"], counts["complete"]) == (1, False)


async def test_a_guest_who_leaves_before_the_mail_ends_the_count_with_a_reason(app, monkeypatch):
    monkeypatch.setattr(service, "_MOST_OPEN_MAILS", 0)
    accepted = await app.send(text(1))
    assert await app.arrived() == []
    waiting = (await app.status(accepted))["channels"]["email"]
    assert (waiting["expected"], waiting["pending"], waiting["complete"]) == (2, 2, False)
    await app.dismiss(BINH)
    monkeypatch.undo()
    app.clock.advance(60)
    assert [mail.address for mail in await app.arrived()] == [AN]
    counts, told = await ended(app, accepted)
    assert datetime.fromisoformat(told["at"]) == utc_now(app.clock), "not when it was accepted"
    assert (counts["delivered"], counts["suppressed"], counts["missing"]) == (1, 1, 0)
    assert [one["field"] for one in told["errors"]] == ["guests"]
    assert "1 guest was taken off" in told["errors"][0]["message"]
    await app.invite(BINH)
    assert await app.arrived() == []
    assert await ended(app, accepted) == (counts, told), "what has ended stays as it is"


@pytest.mark.promise("16.1")
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_mail_that_waits_for_the_relay_never_reaches_a_guest_who_left(app, bus, restarts):
    app.relay.answer = lambda _: Outcome(Verdict.UNSENT)
    accepted = await app.send(text(1))
    assert await app.arrived() == []
    await app.dismiss(BINH)
    if restarts:
        app.service = app.new_service(bus)
    await app.service.follow()
    assert [mail.address for mail in (await app.pending_mails()).values()] == [AN]
    app.relay.answer = lambda _: Outcome(Verdict.DELIVERED)
    app.clock.advance(3600)
    for content_id in await letters_of(app):
        await app.wake(content_id)
    assert app.relay.addresses == [AN]
    counts = (await app.status(accepted))["channels"]["email"]
    assert (counts["delivered"], counts["suppressed"], counts["complete"]) == (1, 1, True)


async def test_a_list_that_cannot_be_read_holds_up_no_other_unit(app):
    await app.store.units.put(guests_key("don-vi-khac"), b'{"guests": 5}')
    with capture_logs() as lines:
        for event in (text(1), text(2, "corrected")):
            await app.send(event)
            assert {mail.address for mail in await app.arrived()} == {AN, BINH}
    told = [line["unit"] for line in lines if line["event"] == "trial_recall_failed"]
    assert told == ["don-vi-khac"], "once for a change of the list"
    await app.store.units.put(guests_key("don-vi-khac"), b'{"guests": []}')
    await app.service.follow()
    assert app.service.units_to_recall == set()


async def letters_of(app) -> list[str]:
    """The content_ids of the mails of the unit's newest trial."""
    [event, *_] = [one async for _, one in app.store.newest(UNIT)]
    return [event.letter_id(guest) for guest in event.mailed]


async def test_an_address_of_another_key_file_ends_the_count_with_a_reason(app):
    app.service.addresses = GuestAddresses(lambda _: bytes(32))
    accepted = await app.send(text(1))
    assert await app.arrived() == []
    counts, told = await ended(app, accepted)
    assert (counts["expected"], counts["suppressed"]) == (2, 2)
    assert "2 guests" in told["errors"][0]["message"]


async def test_a_start_reads_what_changed_since_all_was_done(app, bus, monkeypatch):
    monkeypatch.setattr(store, "_PROGRESS_STEP", 1)
    await app.send(text(1))
    assert len([*await app.arrived(), *await app.arrived()]) == 2
    [(place, _)] = [one async for one in app.store.newest(UNIT)]
    done = await app.store.progress()
    assert done.seen >= place
    monkeypatch.setattr(service, "_MOST_OPEN_MAILS", 0)
    waiting = await app.send(text(2, "corrected"))
    assert [*await app.arrived(), *await app.arrived()] == []
    assert await app.store.progress() == done, "a mail has to wait"
    monkeypatch.undo()
    app.service = app.new_service(bus)
    read = [one.event_id async for one in app.store.open_events(done.seen + 1)]
    assert read == [waiting["event_id"]]
    assert len(await app.arrived()) == 2


RESTORED = {"created": "2026-01-01T00:00:00Z"}, {"seen": 10**6}


@pytest.mark.parametrize("other", RESTORED, ids=["other bucket", "fewer changes"])
async def test_a_restore_that_numbers_changes_anew_passes_over_no_event(app, bus, other):
    """The progress that is stored has numbers of the bucket before the restore."""
    await app.send(text(1))
    done = (await app.store.last_change()).model_copy(update=other)
    await app.store.bucket.put(PROGRESS_KEY, done.model_dump_json().encode())
    app.service = app.new_service(bus)
    assert len(await app.arrived()) == 2


async def test_a_record_that_only_a_newer_version_reads_is_read_by_its_start(app, monkeypatch):
    monkeypatch.setattr(store, "_PROGRESS_STEP", 1)
    await app.store.bucket.put(event_key(UNIT, "neu"), b'{"state": "paused"}')
    await app.service.follow()
    assert await app.store.progress() == TrialProgress()


async def ended(app, accepted):
    """The counts of a trial's mails, which have ended, and the last step of its timeline."""
    status = await app.status(accepted)
    counts, told = status["channels"]["email"], status["timeline"][-1]
    assert counts["complete"] and told["event"] == "suppressed" and told["channel"] == "email"
    return counts, told
