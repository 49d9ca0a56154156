"""`loa desk show` and `approve`: the reviewer has read what goes out, and where."""

import pytest

from consumers.intake.handler import Intake
from contracts.vocabulary import DEFAULT
from tests.support.cli import json_output
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    register_unit,
    released_publications,
    submitted,
    withdrawn,
)

PLACE = f"https://tin.example.gov.vn/tin/{ITEM}"
BODY = "Dòng một.\n\nDòng hai."


@pytest.fixture
def loa(loa):
    return loa.extended(LOA_PUBLIC_URL="https://tin.example.gov.vn")


@pytest.fixture
async def intake(bus, clock):
    await register_unit(bus, release="desk")
    return Intake(bus, DEFAULT, clock)


async def test_a_first_text_is_shown_whole(intake, loa):
    await intake.handle(submitted(body=BODY, audiences=["can-bo"], author="Lê Văn An"), UNIT)
    run = await loa("desk", "show", ITEM)
    for said in (submitted().data["title"], "author: Lê Văn An", "audiences: can-bo", BODY, PLACE):
        assert said in run.stdout, said
    assert f"{ITEM}.1, {UNIT}" in run.stdout and "+++" not in run.stdout
    assert "waiting for approval" in run.stdout and "a new item" in run.stdout
    assert "chờ duyệt từ" in run.stdout and "tin mới" in run.stdout
    assert f"will stand at: {PLACE}" in run.stdout and "published" not in run.stdout


async def test_a_correction_is_shown_with_what_it_changes_of_what_is_out(intake, loa, bus):
    await intake.handle(submitted(body=BODY), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await intake.handle(corrected(body=BODY.replace("hai", "ba"), reason="Sai dòng."), UNIT)
    run = await loa("desk", "show", ITEM)
    for said in (f"--- {ITEM}.1", f"+++ {ITEM}.2", "-Dòng hai.", "+Dòng ba.", "reason: Sai dòng."):
        assert said in run.stdout, said
    for said in ("a correction of revision 1", "đính chính bản số 1", f"\nstands at: {PLACE}"):
        assert said in run.stdout, said
    told = json_output(await loa("desk", "show", ITEM, "--json"))
    assert told["what"] == "correction"
    assert (told["revision"], told["against"], told["action"]) == (2, 1, "corrected")
    assert told["data"]["reason"] == "Sai dòng." and "+Dòng ba." in told["changes"]
    assert len(await released_publications(bus)) == 1, "looking releases nothing"


async def test_a_text_for_a_later_day_is_scheduled_and_no_reader_sees_it(intake, loa):
    await intake.handle(submitted(not_before="2090-01-01T08:00:00+07:00"), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    told = json_output(await loa("desk", "show", ITEM, "--json"))
    assert told["status"] == "scheduled"
    assert (told["readers"]["seen"], told["readers"]["ahead"]) == (0, 1)
    shown = (await loa("desk", "show", ITEM)).stdout
    assert "readers: revision 1 waits for its time" in shown and "published" not in shown
    *_, published = json_output(await loa("desk", "history", ITEM, "--json"))
    assert (published["kind"], published["begins"]) == ("publish", "2090-01-01T08:00:00+07:00")


async def test_a_text_that_brings_an_item_back_is_compared_with_what_readers_had(intake, loa):
    await intake.handle(submitted(body=BODY), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await intake.handle(withdrawn(), UNIT)
    await intake.handle(submitted(revision=3, body="Bản mới."), UNIT)
    said = (await loa("desk", "show", ITEM)).stdout
    assert f"--- {ITEM}.1" in said
    assert "puts the withdrawn item back" in said and f"will stand at: {PLACE}" in said


async def test_a_correction_that_brings_an_item_to_the_portal_will_stand_there(intake, loa):
    await intake.handle(submitted(channels=["email"]), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await intake.handle(corrected(channels=["email", "portal"]), UNIT)
    assert f"will stand at: {PLACE}" in (await loa("desk", "show", ITEM)).stdout


async def test_the_list_says_since_when_a_draft_waits_and_what_it_is(intake, loa):
    await intake.handle(submitted(), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await intake.handle(submitted(revision=2), UNIT)
    await intake.handle(submitted(content_id="tin-khac"), UNIT)
    await intake.handle(corrected("tin-khac", 2, title="[/b] [KHẨN] :smile:"), UNIT)
    run = await loa("desk", "list")
    assert [line for line in run.stdout.splitlines() if "since" in line], "a column"
    assert "2027-01-15 15:00:00+07  a new text after revision 1, not marked" in run.stdout
    assert "2027-01-15 15:00:00+07  a new item / tin mới" in run.stdout, (
        "readers have nothing that it corrects"
    )
    assert "[/b] [KHẨN] :smile:" in run.stdout, "a title is shown as it is"
    assert "  for the unit's leader / chờ lãnh đạo đơn vị xác nhận\n" in run.stdout, (
        "the words of the desk's pages"
    )
    told = json_output(await loa("desk", "list", "--json"))
    assert {one["content_id"]: one["what"] for one in told} == {ITEM: "text", "tin-khac": "new"}
    assert all(len(one["hash"]) == 52 and one["hash"] not in run.stdout for one in told)


async def test_what_does_not_wait_is_refused_in_both_languages(intake, loa):
    run = await loa("desk", "show", "khong-co")
    assert run.exit_code == 2 and "chờ duyệt" in run.stderr
    await intake.handle(submitted(), UNIT)
    assert (await loa("desk", "show", ITEM, "--revision", "7")).exit_code == 2


async def test_what_nobody_has_seen_yet_is_not_corrected(intake, loa):
    await intake.handle(submitted(not_before="2099-01-01T08:00:00+07:00"), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await intake.handle(corrected(), UNIT)
    [draft] = json_output(await loa("desk", "list", "--json"))
    assert draft["what"] == "new"
    assert f"\nwill stand at: {PLACE}" in (await loa("desk", "show", ITEM)).stdout


@pytest.mark.parametrize(
    ("not_before", "words"),
    [
        (None, ("revision 1", "đã duyệt", submitted().data["title"])),
        (
            "2099-01-01T08:00:00+07:00",
            ("before 2099-01-01 08:00:00+07", "08:00 ngày 01/01/2099"),
        ),
    ],
    ids=["now", "ahead of its time"],
)
async def test_an_approval_says_what_goes_out_when_and_where(intake, loa, not_before, words):
    await intake.handle(submitted(not_before=not_before), UNIT)
    run = await loa("desk", "approve", ITEM, "--clean", "--by", "Trần Thị Bình", stdin="y\n")
    for said in (*words, f"\nwill stand at: {PLACE}"):
        assert said in run.stdout, said


async def test_a_rejection_is_confirmed_in_both_languages(intake, loa):
    await intake.handle(submitted(), UNIT)
    [draft] = await intake.decisions.waiting_drafts()
    words = ("--by", "Trần Thị Bình", "--hash", draft.hash, "--code", "trung-lap")
    run = await loa("desk", "reject", ITEM, *words)
    assert "revision 1 is refused" in run.stdout and "đã từ chối bản số 1" in run.stdout


async def test_trace_tells_scripts_too_why_something_waits(intake, loa):
    await intake.handle(submitted(), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    await loa("pause", "email", "--reason", "bảo trì", "--by", "Bình")
    waits = json_output(await loa("trace", ITEM, "--json"))["waits"]
    [why] = [one for one in waits if one["field"] == "email"]
    shown = (await loa("trace", ITEM)).stdout
    assert "bảo trì" in why["message"]
    assert all(f"email: {why[language]}" in shown for language in ("message", "message_vi"))


async def test_what_is_not_for_the_portal_has_no_place_there(intake, loa):
    await intake.handle(submitted(channels=["email"]), UNIT)
    run = await loa("desk", "approve", ITEM, "--clean", "--by", "Trần Thị Bình", stdin="y\n")
    assert PLACE not in run.stdout and PLACE not in (await loa("trace", ITEM)).stdout
