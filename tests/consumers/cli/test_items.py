"""`loa trace` and `loa withdraw` as people read them: revisions, what was typed, what was done."""

from dataclasses import replace
from datetime import UTC, datetime
from time import time as wall_clock

import pytest

from consumers.callbacks.follow import StatusFollower
from consumers.callbacks.sources import all_sources
from consumers.callbacks.status_store import StatusStore
from consumers.channel_health.destinations import Destination, write_destination
from consumers.cli import items, output, withdrawals
from consumers.cli.items import print_trace
from consumers.cli.trace_timeline import in_words_of_reader
from consumers.cli.withdrawals import WithdrawalOrder, order_withdrawal
from consumers.editorial.log import EditorialLog
from consumers.email.bounce_records import BounceRecords
from consumers.intake.event_log import EventLog
from consumers.ledger import codec
from consumers.staff.authorization import Actor
from contracts import events, subjects
from contracts.base.times import utc_now
from contracts.delivery import BatchKey, ChannelName
from contracts.desk.editorial import Order
from contracts.editorial import ActionKind
from contracts.errors import Conflict, field_error
from contracts.records import EventRecord
from contracts.trace import Trace
from producers.output import reads_vietnamese
from tests.support.cli import json_output
from tests.support.crashing_bus import crash_at
from tests.support.decisions import approve_item, decide
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import (
    ITEM,
    UNIT,
    carry_out_acts,
    corrected,
    event_id,
    released_actions,
    released_publications,
    submitted,
    withdrawn,
)
from tests.support.staff import StaffHarness

EMAIL = ChannelName.EMAIL
CLERK = "Trần Thị Bình"


async def test_trace_of_a_refused_event_begins_with_why(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd")
    refusal = field_error("data.revision", "revision_not_newer", latest=1)
    again = EventRecord(
        hash="h", unit=UNIT, content_id=ITEM, revision=1, type=events.SUBMITTED,
        at=datetime(2026, 7, 25, tzinfo=UTC), refused=(refusal,),
    )  # fmt: skip
    await EventLog(bus).record("again", again)
    told, shown = await loa("trace", "again", "--json"), await loa("trace", "again")
    start = shown.stdout.index("event again")
    english, vietnamese, item = shown.stdout[start:].splitlines()[:3]
    assert english == f"event again: refused: data.revision: {refusal.message}"
    assert vietnamese == f"sự kiện again: bị từ chối: data.revision: {refusal.message_vi}"
    assert item == f"{ITEM}, revision 1: released"
    assert [one["field"] for one in json_output(told)["refused"]] == ["data.revision"]
    taken = json_output(await loa("trace", event_id(submitted()), "--json"))
    assert "refused" not in taken, "of the event that was taken"


async def test_trace_says_what_the_unit_was_told(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    assert "told" not in json_output(await loa("trace", ITEM, "--json"))
    await StatusFollower(StatusStore(bus), all_sources(bus), wall_clock).follow()
    answer = json_output(await loa("trace", ITEM, "--json"))
    assert [one["kind"] for one in answer["told"]["facts"]] == ["accepted", "released"]
    assert "told of revision 1: accepted, released" in (await loa("trace", ITEM)).stdout


async def test_a_trace_without_plans_says_that_the_bus_cant_store(intake_harness, loa, monkeypatch):
    async def full(_bus):
        return "insufficient storage resources available"

    monkeypatch.setattr(items, "store_problem", full)
    await intake_harness.take_in(submitted())
    told = json_output(await loa("trace", ITEM, "--json"))["waits"]
    [full_bus] = [one["message"] for one in told if one["field"] == "bus"]
    assert "insufficient storage" in full_bus
    for channel in ChannelName:
        await intake_harness.add_plan(b"d", channel=channel)
    assert "waits" not in json_output(await loa("trace", ITEM, "--json")), "nothing is to be stored"


async def test_every_revision_has_a_line_to_see_who_got_the_wrong_text(intake_harness, capsys):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"ddxv")
    await intake_harness.take_in(corrected())
    await intake_harness.add_plan(b"dp", revision=2)
    await intake_harness.take_in(withdrawn())
    await intake_harness.add_plan(b"pp", revision=3)
    story = await intake_harness.read_trace()
    told = story.model_dump(mode="json")["earlier"]
    assert list(told) == ["2", "1"], "the latest first"
    assert [told["1"]["email"][name] for name in ("delivered", "failed", "superseded")] == [2, 1, 1]
    capsys.readouterr()
    print_trace(story)
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = [line[:4] for line in table if line[1:2] == ["email"]]
    assert shown == [["3", "email", "2", "2"], ["2", "email", "2", "1"], ["1", "email", "4", "0"]]
    assert "failed" in table[2], "a status that only an older revision has is shown"


async def send_back(intake_harness, content_id: str = ITEM) -> None:
    """An editor returns the text, and intake carries that out."""
    decisions = intake_harness.intake.decisions
    hash = (await decisions.log.read(content_id)).state.hash
    order = Order(content_id, ActionKind.RETURN, "r", hash, note="Thiếu căn cứ.")
    await decide(decisions, order, CLERK)
    await decisions.carry_out(content_id)


async def test_a_returned_text_waits_for_its_author_and_says_who_returned_it(intake_harness, loa):
    await intake_harness.take_in(submitted(), "desk")
    [waits] = json_output(await loa("trace", ITEM, "--json"))["waits"]
    assert waits["field"] == "desk"
    await send_back(intake_harness)
    told, shown = await loa("trace", ITEM, "--json"), (await loa("trace", ITEM)).stdout
    trace = json_output(told)
    [entry] = [one for one in trace["timeline"] if one["event"] == "returned"]
    assert (entry["by"], entry["detail"]) == (CLERK, "revision 1: Thiếu căn cứ.")
    [waits] = trace["waits"]
    assert waits["field"] == "author" and CLERK in waits["message"]
    assert "Thiếu căn cứ." in waits["message_vi"] and waits["message_vi"] in shown


async def test_an_author_who_writes_on_still_has_to_act(intake_harness, loa):
    await intake_harness.take_in(submitted(), "desk")
    await send_back(intake_harness)
    decisions = intake_harness.intake.decisions
    state = (await decisions.log.read(ITEM)).state
    data = {**state.text.data, "title": "Có căn cứ"}
    await decide(decisions, Order(ITEM, ActionKind.SAVE, "s", state.hash, data), "Lê An")
    await decisions.carry_out(ITEM)
    [waits] = json_output(await loa("trace", ITEM, "--json"))["waits"]
    assert waits["field"] == "author" and CLERK in waits["message"]
    [held] = json_output(await loa("items", "list", "--held", "--json"))["items"]
    assert held["held"] == ["author"]


async def test_an_approval_that_is_not_carried_out_is_shown(intake_harness, loa):
    await intake_harness.take_in(submitted(), "desk")
    with crash_at("desk.release_begun"):
        await approve_item(intake_harness.intake.decisions, ITEM, CLERK)
    trace = json_output(await loa("trace", ITEM, "--json"))
    assert [(one["event"], one.get("by")) for one in trace["timeline"]][1:] == [("approved", CLERK)]
    [waits] = trace["waits"]
    assert (trace["state"], waits["field"]) == ("waiting", "intake")
    await intake_harness.intake.decisions.finish_interrupted()
    trace = json_output(await loa("trace", ITEM, "--json"))
    assert [one["event"] for one in trace["timeline"]].count("approved") == 1
    assert trace["state"] == "released"


async def test_a_list_of_held_items_says_who_returned_a_text(intake_harness, loa):
    await intake_harness.take_in(submitted(content_id="tra-lai"), "desk")
    await intake_harness.take_in(submitted(content_id="cho-duyet"), "desk")
    await send_back(intake_harness, "tra-lai")
    held = ("items", "list", "--held")
    told, shown = json_output(await loa(*held, "--json"))["items"], (await loa(*held)).stdout
    waiting, returned = told
    assert (returned["held"], waiting["held"]) == (["author"], ["desk"])
    assert (returned["returned"]["by"], returned["returned"]["reason"]) == (CLERK, "Thiếu căn cứ.")
    assert "returned" not in waiting
    assert CLERK in shown and "Thiếu căn cứ." in shown
    assert "đang chờ người xử lý" in shown and "held: desk" not in shown


async def test_trace_takes_the_event_id_that_the_sender_got(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dp")
    own = event_id(submitted())
    told, shown = await loa("trace", own, "--json"), await loa("trace", own)
    assert json_output(told) == json_output(await loa("trace", ITEM, "--json")) | {"event_id": own}
    assert f"event {own}:\n{ITEM}, revision 1: released\n" in shown.stdout
    assert f"\n{ITEM}, bản số 1: đã phát hành\n" in shown.stdout
    assert "  received / đã tiếp nhận  " in shown.stdout
    accepted = EventRecord(
        hash="h", unit=UNIT, content_id="tin-moi", revision=3, type=events.SUBMITTED,
        at=utc_now(intake_harness.clock),
    )  # fmt: skip
    await bus.bucket(subjects.EVENTS.name).put("m" * 26, accepted.model_dump_json().encode())
    waits = json_output(await loa("trace", "m" * 26, "--json"))
    assert [waits[name] for name in ("content_id", "revision", "state")] == [
        "tin-moi",
        3,
        "received",
    ]
    assert (await loa("trace", "n" * 26)).exit_code == 2


async def test_trace_says_why_rows_failed_and_when_older_revisions_went(intake_harness, capsys):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dxx")
    await intake_harness.add_reasons("550 5.1.1", 1, 2)
    await intake_harness.take_in(corrected())
    await intake_harness.add_plan(b"d", revision=2)
    unit = await intake_harness.read_trace()
    story = await replace(intake_harness.trace, for_staff=True).trace(ITEM)
    past = [(one.event, one.detail) for one in story.timeline if one.channel == EMAIL]
    assert ("failed", "revision 1: 2 rows: 550 5.1.1") in past
    assert ("completed", "revision 1: 1 of 3 delivered") in past
    assert ("completed", "1 of 1 delivered") in past
    assert "550" not in unit.model_dump_json(), "what units' programs read stays as it is"


async def test_a_failure_has_one_time_whenever_it_is_asked_for(intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"xp")
    await intake_harness.add_reasons("550 5.1.1", 0)
    intake_harness.clock.advance(3600)
    story = await replace(intake_harness.trace, for_staff=True).trace(ITEM)
    [failed] = [one.at for one in story.timeline if one.event == "failed"]
    answer = json_output(await loa("trace", ITEM, "--failed", "--json"))
    times = {datetime.fromisoformat(answer["failures"][0]["since"]), failed}
    assert times == {datetime.fromisoformat(answer["since"])}


async def test_trace_names_who_decided_and_what_the_code_means(intake_harness, loa):
    await intake_harness.take_in(submitted(), "desk")
    [draft] = json_output(await loa("desk", "list", "--json"))
    words = ("--by", "Nguyễn Văn C", "--hash", draft["hash"], "--code", "trung-lap", "--json")
    assert json_output(await loa("desk", "reject", ITEM, *words))["content_id"] == ITEM
    said = (await loa("trace", ITEM)).stdout
    assert "revision 1: trung-lap (already published), by Nguyễn Văn C" in said
    assert "Trùng với tin đã có" in said
    story = json_output(await loa("trace", ITEM, "--json"))
    rejected_by = {one["event"]: one.get("by") for one in story["timeline"]}
    assert (story["state"], rejected_by) == (
        "refused", {"received": None, "rejected": "Nguyễn Văn C"},
    )  # fmt: skip


async def test_who_withdraws_is_in_the_log_and_only_trace_tells(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    run = await loa("withdraw", ITEM, "--reason", "Nhầm", "--by", "Trần Thị An", "--yes")
    assert run.exit_code == 0
    _, acts = await EditorialLog(bus).history(ITEM)
    assert (acts[-1].kind, acts[-1].by) == (ActionKind.WITHDRAW, "Trần Thị An")
    again = await loa("withdraw", ITEM, "--reason", "Nhầm", "--yes", USER="ai-do")
    assert "by Trần Thị An, with the reason: Nhầm" in again.stdout, "before intake has it, too"
    await carry_out_acts(intake_harness.intake)
    told = (await loa("trace", ITEM)).stdout
    assert "withdrawn, revision 2, by Trần Thị An" in told and "was withdrawn: Nhầm" in told
    assert json_output(await loa("trace", ITEM, "--json"))["reason"] == "Nhầm"
    assert "Trần Thị An" not in str(await released_publications(bus))
    again = await loa("withdraw", ITEM, "--reason", "Nhầm", "--yes", USER="ai-do")
    assert "by Trần Thị An, with the reason: Nhầm" in again.stdout
    assert "đã được Trần Thị An gỡ" in again.stdout


async def test_a_name_that_is_none_is_refused_and_nothing_is_withdrawn(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    run = await loa("withdraw", ITEM, "--reason", "Nhầm", "--by", "A" * 151, "--yes")
    assert (run.exit_code, run.stderr.startswith("by: ")) == (2, True)
    assert (await EditorialLog(bus).read(ITEM)).state.withdrawable == 1


async def test_a_withdrawal_is_a_named_act_that_a_script_confirms(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    words = ("withdraw", ITEM, "--reason", "Nhầm")
    for more, field in ((("--by", "An"), "--yes"), (("--yes",), "by")):
        refused = await loa(*words, *more, USER="")
        assert (refused.exit_code, refused.stderr.partition(":")[0]) == (2, field)
    assert (await EditorialLog(bus).read(ITEM)).state.withdrawable == 1
    assert (await loa(*words, "--by", "An", "--yes", USER="")).exit_code == 0
    assert (await EditorialLog(bus).read(ITEM)).state.withdrawable == 0


async def test_a_withdrawal_takes_back_the_text_that_was_read(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    read = (await EditorialLog(bus).read(ITEM)).state.hash
    await intake_harness.take_in(corrected(revision=2, corrects_revision=1))
    out = (await EditorialLog(bus).read(ITEM)).state.hash
    words = ("withdraw", ITEM, "--reason", "Nhầm", "--by", "An", "--yes", "--hash")
    refused = await loa(*words, read)
    assert refused.exit_code == 2 and out in refused.stderr
    assert (await EditorialLog(bus).read(ITEM)).state.withdrawable == 2
    assert (await loa(*words, out)).exit_code == 0
    await carry_out_acts(intake_harness.intake)
    assert await released_actions(bus) == ["published", "corrected", "withdrawn"]


async def test_a_withdrawal_leaves_the_correction_that_goes_out_meanwhile(
    bus, intake_harness, monkeypatch
):
    await intake_harness.take_in(submitted())
    hash = (await EditorialLog(bus).read(ITEM)).state.hash
    decide = withdrawals._WithdrawingPerson.decide

    async def after_the_correction(person, act):
        await intake_harness.take_in(corrected(revision=2, corrects_revision=1))
        return await decide(person, act)

    monkeypatch.setattr(withdrawals._WithdrawingPerson, "decide", after_the_correction)
    with pytest.raises(Conflict) as refused:
        await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm", hash=hash), "An")
    state = (await EditorialLog(bus).read(ITEM)).state
    assert state.out_hash in refused.value.errors[0].message
    await carry_out_acts(intake_harness.intake)
    assert await released_actions(bus) == ["published", "corrected"]


async def test_a_correction_that_goes_out_before_intake_has_the_withdrawal_stays(
    bus, intake_harness
):
    await intake_harness.take_in(submitted())
    await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm"), "An")
    await intake_harness.take_in(corrected(revision=2, corrects_revision=1))
    await carry_out_acts(intake_harness.intake)
    assert await released_actions(bus) == ["published", "corrected"]


async def test_a_correction_that_was_on_its_way_is_withdrawn_too(bus, intake_harness):
    await intake_harness.take_in(submitted())
    await carry_out_acts(intake_harness.intake)
    await intake_harness.take_in(corrected(revision=2, corrects_revision=1))
    await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm"), "An")
    await carry_out_acts(intake_harness.intake)
    assert await released_actions(bus) == ["published", "corrected", "withdrawn"]
    assert (await EditorialLog(bus).read(ITEM)).state.withdrawable == 0


@pytest.mark.parametrize("answer", ["y", "n"])
async def test_a_person_sees_what_is_out_and_is_asked(
    bus, intake_harness, loa, monkeypatch, answer
):
    await intake_harness.take_in(submitted())
    await intake_harness.take_in(corrected(revision=2, corrects_revision=1), "desk")
    state = (await EditorialLog(bus).read(ITEM)).state
    monkeypatch.setattr(output, "require_terminal", lambda: None)
    monkeypatch.setattr(withdrawals, "require_terminal", lambda: None)
    run = await loa("withdraw", ITEM, "--reason", "Nhầm", "--by", "An", "--json", stdin=answer)
    assert f"hash: {state.out_hash}" in run.stderr and state.out_hash != state.hash
    assert submitted().data["title"] in run.stderr
    out = (await EditorialLog(bus).read(ITEM)).state.withdrawable
    assert (run.exit_code, out) == ((0, 0) if answer == "y" else (2, 1))


async def test_what_is_not_known_is_named_as_it_was_typed(bus, loa):
    told = await loa("trace", "G09.20-0000")
    assert (told.exit_code, "content_id: G09.20-0000 is not known\n" in told.stderr) == (2, True)
    assert (await loa("withdraw", "chua-co", "--reason", "Nhầm", "--yes")).exit_code == 2


@pytest.mark.parametrize(
    ("release", "changes"),
    [("desk", {}), ("automatic", {"not_before": "2099-01-01T08:00:00+07:00"})],
)
async def test_a_withdrawal_of_what_was_never_out_says_so(intake_harness, loa, release, changes):
    await intake_harness.take_in(submitted(**changes), release)
    said = (await loa("withdraw", ITEM, "--reason", "Nhầm", "--yes", USER="an")).stdout
    assert "nothing of it is out" in said and "không có bản nào đang phát hành" in said
    assert "go out" not in said


async def test_what_never_stood_on_the_portal_has_no_address_there(intake_harness, loa):
    await intake_harness.take_in(submitted(not_before="2099-01-01T08:00:00+07:00"))
    await intake_harness.take_in(withdrawn())
    assert "410" in (await loa("trace", ITEM)).stdout, "until the portal has looked at it"
    await intake_harness.add_plan(channel=ChannelName.PORTAL, revision=2)
    assert "address" not in json_output(await loa("trace", ITEM, "--json"))


async def test_a_withdrawal_may_have_a_title_of_its_own(bus, intake_harness, loa):
    await intake_harness.take_in(submitted(title="Kết quả thi của 0912345678"))
    titles = ["--title", "Kết quả thi", "--short-title", "Kết quả"]
    words = ["--reason", "Lộ thông tin cá nhân", *titles, "--yes"]
    assert (await loa("withdraw", ITEM, *words, USER="an")).exit_code == 0
    await carry_out_acts(intake_harness.intake)
    first, second = await released_publications(bus)
    assert (second["action"], second["title"]) == ("withdrawn", "Kết quả thi")
    assert second["short_title"] == "Kết quả"
    assert "0912345678" in first["title"] and "0912345678" not in str(second)


async def test_trace_says_how_the_address_answers(intake_harness, loa):
    await intake_harness.take_in(submitted())
    to_be = (await loa("trace", ITEM)).stdout
    assert "\nwill stand at: http" in to_be and "\nsẽ đăng tại: http" in to_be
    for channel in ChannelName:
        await intake_harness.add_plan(b"d", channel=channel)
    assert (await loa("trace", ITEM)).stdout.splitlines()[-1].startswith("http")
    await intake_harness.take_in(withdrawn())
    assert "will answer 410 (withdrawn) once" in (await loa("trace", ITEM)).stdout
    await intake_harness.add_plan(b"d", channel=ChannelName.PORTAL, revision=2)
    said = (await loa("trace", ITEM)).stdout
    assert "\nanswers 410 (withdrawn): http" in said and "\nđã gỡ, trả mã 410: http" in said
    story = json_output(await loa("trace", ITEM, "--json"))
    assert (story["state"], story["revision"]) == ("withdrawn", 2)
    assert story["address"].startswith("http")


async def test_a_second_withdrawal_says_since_when_and_sends_nothing(bus, intake_harness, clock):
    await intake_harness.take_in(submitted())
    first = await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm"), "An")
    assert first.withdrawn_at is None
    assert "`loa trace" in first.to_text().message and "`loa trace" in first.to_text().message_vi
    clock.advance(60)
    await intake_harness.take_in(withdrawn())
    before = (await bus.connection.api_request("STREAM.INFO.CONTENT"))["state"]["messages"]
    again = await order_withdrawal(bus, ITEM, WithdrawalOrder("Lần hai"), "An")
    said = (again.to_text().message, again.to_text().message_vi)
    times, words = ("2027-01-15 15:01:00+07", "15:01 ngày 15/01/2027"), ("was changed", "Không")
    for line, time, word in zip(said, times, words, strict=True):
        assert time in line and word in line
        assert "Nội dung chưa chính xác" in line and "Lần hai" not in line
    assert set(again.model_dump()) == {"content_id", "withdrawn_at", "reason"}
    assert (await bus.connection.api_request("STREAM.INFO.CONTENT"))["state"]["messages"] == before


async def test_a_draft_that_was_taken_back_unseen_counts_as_well(bus, intake_harness, clock):
    await intake_harness.take_in(submitted(), "desk")
    clock.advance(60)
    await intake_harness.take_in(withdrawn())
    again = await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm"), "An")
    assert again.to_text().message.startswith("was withdrawn already at 2027-01-15 15:01:00+07")


async def test_what_came_after_a_withdrawal_can_be_withdrawn(bus, intake_harness):
    await intake_harness.take_in(submitted())
    await intake_harness.take_in(withdrawn())
    await intake_harness.take_in(corrected(revision=3, corrects_revision=1), "desk")
    assert (await order_withdrawal(bus, ITEM, WithdrawalOrder("Nhầm"), "An")).event_id, (
        "a draft waits at the desk"
    )


async def test_a_withdrawals_title_that_zalo_cuts_is_told(intake_harness, loa):
    await intake_harness.take_in(submitted())
    words = ("withdraw", ITEM, "--reason", "Nhầm", "--title", "dài " * 50, "--by", "An", "--yes")
    run = await loa(*words, "--json")
    assert run.exit_code == 0
    assert [one["field"] for one in json_output(run)["warnings"]] == ["data.title"]
    assert len([line for line in run.stderr.splitlines() if line.startswith("data.title: ")]) == 2


async def test_trace_failed_refuses_a_reader(loa):
    refused = await loa("trace", ITEM, "--failed", "--reader", "an@example.vn")
    assert (refused.exit_code, "--reader: " in refused.stderr) == (2, True)


async def test_trace_failed_says_who_why_since_when_and_what_to_do(bus, intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dxxeu", b"Wd")
    await intake_harness.add_reasons("550 5.1.1 no such user", 1, 2)
    await intake_harness.add_plan(b"dk", channel=ChannelName.ZALO)
    bounces = BounceRecords(bus.bucket(subjects.LEDGER.name))
    batch = BatchKey(EMAIL, ITEM, 1, 0)
    await bounces.record_bounce(batch, 0, "5.2.2", intake_harness.clock())
    answer = json_output(await loa("trace", "--failed", "--since", "2000-01-01", "--json"))
    told = {
        (one["channel"], one["status"]): (one["count"], one["recipients"], one["reason"])
        for one in answer["failures"]
    }
    assert told == {
        ("email", "failed"): (2, ["r0001", "r0002"], "550 5.1.1 no such user"),
        ("email", "expired"): (1, ["r0003"], ""),
        ("email", "maybe_sent"): (1, ["r1000"], ""),
        ("email", "bounced"): (1, ["r0000"], "5.2.2"),
        ("zalo", "unknown"): (1, ["r0001"], ""),
    }
    assert all(one["remedy"] and one["remedy_vi"] and one["since"] for one in answer["failures"])
    settle = next(one["remedy"] for one in answer["failures"] if one["channel"] == "zalo")
    assert f"loa zalo settle {ITEM}" in settle
    by_event = await loa("trace", event_id(submitted()), "--failed", "--json", "--limit", "2")
    one_item = json_output(by_event)
    assert (len(one_item["failures"]), one_item["left_out"]) == (2, 3)
    assert one_item["since"] == min(one["since"] for one in answer["failures"])
    shown = (await loa("trace", ITEM, "--failed")).stdout
    assert "r0001  r0002" in shown
    assert max(map(len, shown.split("  now:")[0].splitlines())) <= 80


async def test_trace_failed_reads_no_state_from_before_since(bus, intake_harness, loa, monkeypatch):
    await intake_harness.take_in(submitted())
    for revision in range(1, 6):
        await intake_harness.add_plan(b"x", revision=revision)
    ledger = bus.bucket(subjects.LEDGER.name)
    moment = (await ledger.get(f"state.{BatchKey(EMAIL, ITEM, 5, 0)}")).created
    read, decode = [], codec.decode_state
    monkeypatch.setattr(codec, "decode_state", lambda data: read.append(1) or decode(data))
    words = ("trace", "--failed", "--json", "--since", moment.isoformat())
    assert [one["revision"] for one in json_output(await loa(*words))["failures"]] == [5]
    assert len(read) == 1
    nothing = await loa("trace", "--failed", "--since", "2199-01-01", "--json")
    assert json_output(nothing)["failures"] == []


async def test_trace_of_a_text_that_only_the_desk_has_says_where_it_is(bus, clock, loa):
    loa = loa.extended(LOA_DESK_URL="https://ban-bien-tap.example")
    await save_draft(bus, clock, desk_text(), CLERK)
    told = await loa("trace", ITEM)
    english, vietnamese = told.stderr.splitlines()[-2:]
    assert told.exit_code == 2
    for said in (english, vietnamese):
        assert CLERK in said and f"`loa desk show {ITEM}`" in said
        assert f"https://ban-bien-tap.example/tin/{ITEM}" in said
    assert "a draft" in english and "bản nháp" in vietnamese
    assert "is not known" in (await loa("trace", "tin-khac")).stderr


async def test_trace_asks_for_an_item_and_refuses_unknown_ones_and_times(intake_harness, loa):
    for words, field in (
        ((), "item"),
        (("khong-co", "--failed"), "content_id"),
        (("--failed", "--since", "yesterday"), "since"),
    ):
        refused = await loa("trace", *words)
        assert (refused.exit_code, refused.stderr.startswith(f"{field}: ")) == (2, True)


async def test_trace_names_the_crash_that_explains_copies_and_one_recipient_is_one(
    intake_harness, loa
):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"d", copies=1)
    await intake_harness.add_doubt("h.email.0#ab", rows=1)
    told = (await loa("trace", ITEM)).stdout
    assert ("1 recipient\n" in told, "1 recipients" in told) == (True, False)
    assert "interrupted" in told
    assert "1 row in doubt: worker h.email.0 ended while it sent them" in " ".join(told.split())
    units = await intake_harness.read_trace()
    assert "h.email" not in units.model_dump_json(), "what units' programs read stays as it is"


async def test_trace_says_that_a_stand_in_got_the_mail_and_names_the_people(
    bus, intake_harness, loa
):
    await intake_harness.take_in(submitted(), "desk")
    account, _ = await StaffHarness(bus, intake_harness.clock).invited()
    await approve_item(intake_harness.intake.decisions, ITEM, Actor(account.id))
    await intake_harness.add_plan(b"dd", channel=ChannelName.ZALO)
    where = Destination(to="the Zalo sandbox at http://a", stand_in=True)
    await write_destination(bus, ChannelName.ZALO, where)
    told = (await loa("trace", ITEM, "--by", "Trực ca")).stdout
    assert "by Lê Văn Tám" in told
    assert account.id not in told
    assert "zalo: counts what went to the Zalo sandbox at http://a: nobody outside" in told
    assert "zalo: chỉ tính những gì đã đến Zalo mô phỏng tại http://a: không có ai" in told


@pytest.mark.parametrize(
    ("detail", "until", "shown"),
    [
        ("revision 1: not before 2027-01-15 09:00:00 UTC", True, "before 2027-01-15 16:00:00+07"),
        ("waits until 09:00 UTC: an older mail", True, "until 2027-01-15 16:00:00+07: an older"),
        ("revision 1, due 2027-01-15T09:00:00Z", False, "due 2027-01-15 16:00:00+07"),
        ("revision 1: 09:00 UTC said the unit", False, "1: 09:00 UTC said"),
        (
            "2 items from 2027-01-14 23:00 to 2027-01-15 09:00",
            False,
            "from 2027-01-15 06:00:00+07 to 2027-01-15 16:00:00+07",
        ),
    ],
)
def test_times_in_a_trace_are_shown_in_vietnams_time(capsys, detail, until, shown):
    at = datetime(2027, 1, 15, 9, tzinfo=UTC)
    event = "cut" if " items from " in detail else "waiting"
    entry = {"at": at, "event": event, "detail": detail, "until": at if until else None}
    facts = {"content_id": "a", "revision": 1, "state": "waiting", "channels": {}}
    print_trace(Trace.model_validate(facts | {"timeline": [entry]}))
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"2027-01-15 16:00:00+07  {event}") and shown in line


async def test_a_vietnamese_reader_has_state_and_details_in_vietnamese_first(intake_harness, loa):
    await intake_harness.take_in(submitted())
    await intake_harness.add_plan(b"dd", channel=ChannelName.ZALO)
    told = (await loa.extended(LOA_LANGUAGE="vi")("trace", ITEM)).stdout
    assert told.index(f"{ITEM}, bản số 1: đã phát hành") < told.index(f"{ITEM}, revision 1")
    assert "tin gửi đến, bản số 1" in told and "bài viết và lượt phát tin" in told
    assert "the article" not in told and "submitted, revision" not in told
    assert "đã phát hành / released" in told


def test_a_plan_alone_that_changed_is_called_no_correction(capsys):
    at = datetime(2027, 1, 15, 9, tzinfo=UTC)
    entries = [("corrected, revision 2", "received"), ("revision 2", "not_released")]
    timeline = [{"at": at, "event": event, "detail": detail} for detail, event in entries]
    facts = {"content_id": "a", "revision": 1, "state": "released", "channels": {}}
    print_trace(Trace.model_validate(facts | {"timeline": timeline}))
    told = capsys.readouterr().out
    assert "plan changed, revision 2" in told and "corrected" not in told
    assert "not_released / không phát lại" in told


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("revision 3: not before 2027", "bản số 3: đăng từ 2027"),
        ("2 of 5 delivered", "đã gửi 2 trong 5"),
        ("12 rows: bounced", "12 lượt gửi: thư bị trả lại"),
        ("3 rows: no such reason", "3 lượt gửi: no such reason"),
        ("digest-1, edition 2, item 4: left out", "digest-1, số 2, tin thứ 4: không đưa vào"),
        ("2 items from 06:00 to 16:00", "2 tin, từ 06:00 đến 16:00"),
    ],
)
def test_details_have_a_vietnamese_form_and_what_is_not_known_stays(detail, shown):
    token = reads_vietnamese.set(lambda: True)
    assert in_words_of_reader(detail) == shown
    reads_vietnamese.reset(token)
    assert in_words_of_reader(detail) == detail


async def test_trace_names_what_a_channel_publishes_once_and_keeps_the_detail_in_json(
    intake_harness, loa
):
    await intake_harness.take_in(submitted(channels=["portal", "zalo"]))
    await intake_harness.add_plan(b"dd", channel=ChannelName.ZALO)
    await intake_harness.add_plan(b"d", channel=ChannelName.PORTAL)
    told = (await loa("trace", ITEM)).stdout
    assert ("the article and the broadcast" in told, "recipient" in told) == (True, False)
    details = [one["detail"] for one in json_output(await loa("trace", ITEM, "--json"))["timeline"]]
    assert {"2 recipients", "1 recipients"} <= set(details)
