"""The forecast of the next digest: its time, its recipients, and its mail."""

import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from consumers.digests import schedule
from consumers.digests.forecast import DigestForecaster
from consumers.digests.schedule import DigestSchedule
from consumers.intake.handler import Intake
from consumers.key_file import open_key_file
from consumers.reporting.trace import TraceReader
from consumers.subscribers.store import SubscriberStore
from contracts import subjects
from contracts.errors import Invalid
from contracts.subscriptions.subscriber import UNTIL_RESUMED, Subscriber
from contracts.text.moments import VIETNAM
from contracts.vocabulary import DEFAULT
from tests.support.cli import json_output
from tests.support.digest_pipeline import OTHER, SATURDAY, later
from tests.support.events import ITEM, UNIT, register_unit, submitted


def forecast(pipeline) -> DigestForecaster:
    return DigestForecaster(pipeline.bus, pipeline.ledger, DigestSchedule(), pipeline.clock)


async def outlook(pipeline, frequency="daily"):
    trace = TraceReader(pipeline.bus, pipeline.clock)
    found = await forecast(pipeline).forecast(trace.trace)
    return {one.frequency: one for one in found}[frequency]


async def settled(pipeline, id, **wishes):
    """Put a subscriber into the directory and the bucket."""
    pipeline.directory.add(id, **wishes)
    one, bucket = pipeline.directory.subscribers[id], pipeline.bus.bucket(subjects.SUBSCRIBERS.name)
    await bucket.put(f"s.{id}", one.model_dump_json().encode())
    return one


async def test_what_is_foretold_is_what_is_cut_and_sent(digests):
    readers = {
        "all": await settled(digests, "all", frequency="daily"),
        "one": await settled(digests, "one", frequency="daily", topics=[OTHER]),
    }
    await digests.release_and_plan("tin-mot")
    await digests.release_and_plan("tin-hai", topic=OTHER)
    await digests.release("tin-mai", not_before=later(digests.clock, hours=40))
    await digests.release_and_plan("khan", lane="urgent")
    before = await digests.service.store.bucket.last_seq()
    coming = await forecast(digests).next_digest("daily")
    foretold = {id: (await forecast(digests).for_subscriber(one))[1] for id, one in readers.items()}
    assert await digests.service.store.bucket.last_seq() == before, "nothing is written"
    assert (coming.digest.content_id, coming.later_items) == (SATURDAY.content_id, 1)
    await digests.pass_days()
    assert await digests.picks(SATURDAY) == foretold == {"all": 0b11, "one": 0b10}
    issue = (await digests.service.store.issue(*SATURDAY[1:])).issue
    assert issue.items == coming.digest.issue.items
    assert issue.due == coming.digest.issue.due


async def test_what_a_reader_has_had_already_is_in_no_digest_of_theirs(digests):
    await settled(digests, "an")
    await digests.release_and_plan("tin-mot")
    await digests.deliver()
    digests.directory.set_frequency("an", "daily")
    await digests.release_and_plan("tin-hai")
    digest, picks = await forecast(digests).for_subscriber(digests.directory.subscribers["an"])
    names = [item.content_id for item in digest.issue.items]
    assert [name for number, name in enumerate(names) if picks >> number & 1] == ["tin-hai"]
    await digests.deliver_next()
    assert digests.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_an_operator_sees_what_waits_and_how_the_last_one_went(digests):
    await settled(digests, "an", frequency="daily")
    await settled(digests, "binh", frequency="daily", paused_until=UNTIL_RESUMED)
    await settled(digests, "chi", frequency="weekly")
    await settled(digests, "dung")
    await digests.release_and_plan("tin-mot")
    daily, weekly = [await outlook(digests, one) for one in ("daily", "weekly")]
    assert (daily.readers, daily.items, daily.last, daily.overdue) == (1, 1, None, False)
    assert (weekly.readers, weekly.items) == (1, 1)
    assert daily.next == datetime(2027, 1, 16, 7, tzinfo=VIETNAM)
    assert weekly.next == datetime(2027, 1, 18, 7, tzinfo=VIETNAM)
    digests.clock.advance(86400.0)
    late = await outlook(digests)
    assert (late.overdue, late.next, late.digest_id) == (True, daily.next, daily.digest_id)
    await digests.repeat_until_done(digests.run_service)
    under_way = (await outlook(digests)).last.mails
    assert (under_way.pending, under_way.complete) == (1, False)
    await digests.deliver()
    after = await outlook(digests)
    assert (after.items, after.overdue) == (0, False)
    assert after.next == daily.next + timedelta(days=1)
    assert (after.last.digest_id, after.last.items) == (SATURDAY.content_id, 1)
    assert (after.last.mails.delivered, after.last.mails.complete) == (1, True)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({}, "at once"),
        ({"frequency": "daily", "paused_until": UNTIL_RESUMED}, "pauses"),
        ({"frequency": "daily", "topics": ["cai-cach-hanh-chinh"]}, "nothing that waits"),
    ],
)
async def test_a_reader_without_a_next_digest_is_told_why(digests, wishes, said):
    one = await settled(digests, "an", **wishes)
    await digests.release_and_plan("tin-mot")
    with pytest.raises(Invalid) as refused:
        await forecast(digests).for_subscriber(one)
    assert said in refused.value.errors[0].message


# --- the commands


@pytest.fixture
async def command(loa, bus, tmp_path):
    """Run `loa ...` on the tests' bus, with one item released and three subscribers."""
    await register_unit(bus, release="automatic")
    await schedule.publish_schedule(bus, DigestSchedule(hour=7, weekday=1))
    await Intake(bus, DEFAULT, time.time).handle(submitted(), UNIT)
    people = SubscriberStore.from_key_file(bus, await open_key_file(bus, tmp_path / "vault.key"))
    for name, frequency in (("an", "daily"), ("binh", "daily"), ("chi", "immediate")):
        address = f"{name}@example.com"
        one = Subscriber(id=name, email=address, frequency=frequency)
        await people.upsert(address, lambda _, one=one: one)
    return loa.extended(LOA_PUBLIC_URL="https://thong-bao.moha.example")


def answer(run):
    assert run.exit_code == 0, run.output
    return json_output(run)


async def test_the_command_tells_of_each_rhythm(command):
    said = {one["frequency"]: one for one in answer(await command("digests", "--json"))["digests"]}
    assert [said[name]["readers"] for name in ("daily", "weekly")] == [2, 0]
    assert [said[name]["items"] for name in ("daily", "weekly")] == [1, 1]
    assert said["daily"]["last"] is None
    left = datetime.fromisoformat(said["daily"]["next"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(days=1)
    shown = (await command("digests")).stdout
    assert "none yet" in shown and "daily" in shown


async def test_the_hours_are_those_of_the_service_that_cuts_and_not_this_shells(bus, command):
    await schedule.publish_schedule(bus, DigestSchedule(hour=1, weekday=3))
    run = await command("digests", "--json")
    moments = [datetime.fromisoformat(one["next"]) for one in answer(run)["digests"]]
    assert [one.astimezone(VIETNAM).hour for one in moments] == [1, 1]
    assert moments[1].astimezone(VIETNAM).isoweekday() == 3
    assert "LOA_DIGEST_HOUR" not in run.stderr


@pytest.mark.parametrize("words", [("digests",), ("mail", "preview", "--digest", "daily")])
async def test_without_a_word_of_the_service_this_shells_hours_are_named(bus, command, words):
    await bus.bucket(subjects.CONTROL.name).purge(schedule.SCHEDULE_KEY)
    run = await command(*words, "--json", LOA_DIGEST_HOUR="3")
    said = answer(run)
    due = said["next"] if "next" in said else said["digests"][0]["next"]
    assert datetime.fromisoformat(due).astimezone(VIETNAM).hour == 3
    assert run.stderr.count("LOA_DIGEST_HOUR: ") == 2


@pytest.mark.parametrize("whose", ["daily", "an@example.com", "an"])
async def test_the_next_digests_mail_is_written_nothing_is_booked(bus, command, tmp_path, whose):
    out = tmp_path / "out"
    before = [await bus.bucket(name).last_seq() for name in ("digests", "ledger")]
    said = answer(await command("mail", "preview", "--digest", whose, "--out", str(out), "--json"))
    assert [await bus.bucket(name).last_seq() for name in ("digests", "ledger")] == before
    assert (said["frequency"], said["items"]) == ("daily", [ITEM])
    [facts] = said["mails"]
    assert facts["subject"].startswith("Bản tổng hợp tin ngày ")
    assert facts["subject"].endswith(" (1 tin)")
    assert facts["reader"] == ("everybody" if whose == "daily" else "reader")
    assert sorted(path.suffix for path in out.iterdir()) == [".eml", ".html", ".txt"]
    eml = message_from_bytes(Path(facts["files"]["eml"]).read_bytes(), policy=policy.default)
    for kind, file in (("plain", "txt"), ("html", "html")):
        part = eml.get_body((kind,)).get_content()
        assert part == Path(facts["files"][file]).read_bytes().decode()
        assert f"https://thong-bao.moha.example/tin/{ITEM}" in part
    assert "an@example.com" not in str(eml)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--digest", "monthly"), "daily, weekly"),
        (("--digest", "khong-ai@example.com"), "daily, weekly"),
        (("--digest", "chi"), ""),
        (("--digest", "daily", ITEM), ""),
        ((), ""),
    ],
)
async def test_what_can_not_be_shown_is_said_in_both_languages(command, tmp_path, words, said):
    run = await command("mail", "preview", *words, "--out", str(tmp_path / "out"))
    assert run.exit_code == 2
    assert [said in line for line in run.stderr.splitlines()] == [True, True]
    assert not (tmp_path / "out").exists()


async def test_a_correction_is_shown_as_it_answers_a_digest_too(bus, digests, loa, tmp_path):
    await digests.release_and_plan("tin-mot")
    await settled(digests, "an", frequency="daily")
    await digests.pass_days()
    await digests.release_and_plan("tin-mot", 2)
    out = tmp_path / "out"
    said = answer(await loa("mail", "preview", "tin-mot", "--out", out, "--json"))
    assert [mail["reader"] for mail in said["mails"]] == ["new", "earlier", "digest"]
    text = (out / "tin-mot.2.digest.txt").read_text("utf-8")
    assert "trong bản tổng hợp tin ngày 16/01/2027" in text
    assert "ản tổng hợp" not in (out / "tin-mot.2.earlier.txt").read_text("utf-8")
