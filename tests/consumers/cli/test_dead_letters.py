"""`loa dead` as an official uses it: find, read, send again, mend, give up; scripts get JSON."""

import json
import time

import pytest

from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.key_file import open_key_file
from contracts import envelope, subjects
from contracts.errors import field_error
from producers.bus import Bus
from producers.seals import message_problem, publish_sealed
from tests.support.cli import json_output
from tests.support.events import ITEM, UNIT, submitted
from tests.support.seals import open_seals, use_key

OTHER = "vu-to-chuc-can-bo"
WRONG = (field_error("data.title", "missing"),)


@pytest.fixture
def loa(loa):
    """Without LOA_OPERATOR: tests name who decides."""
    return loa.extended(USER="")


async def died(bus: Bus, body: bytes, unit: str = UNIT) -> None:
    subject = subjects.content(unit, "submitted")
    ack = await bus.publish(subject, body)
    origin = MessageOrigin(subject=subject, stream=ack.stream, seq=ack.seq)
    await DeadLetterStore(bus).bury("intake", origin, body, WRONG)


async def accepted(bus: Bus) -> list[bytes]:
    return [message.data async for message in bus.scan(subjects.CONTENT.name)]


def broken() -> bytes:
    return envelope.to_structured(submitted(title=""))


async def test_the_list_names_several_errors_and_says_when_it_is_empty(bus, loa):
    run = await loa("dead", "list")
    assert len(run.stderr.splitlines()) == 2
    wrong = [field_error(f"data.links.{n}", "missing") for n in range(7)]
    origin = MessageOrigin(subject=subjects.content(UNIT, "submitted"), stream="CONTENT", seq=1)
    await DeadLetterStore(bus).bury("intake", origin, broken(), wrong)
    said = (await loa("dead", "list")).stdout
    assert [n for n in range(7) if f"  data.links.{n}: " in said] == [0, 1, 2, 3, 4]
    assert "2 more" in said


@pytest.mark.promise("9.1")
async def test_the_list_says_whose_how_often_and_what_is_wrong_in_both_languages(bus, loa):
    await died(bus, broken())
    await died(bus, broken())
    await died(bus, b"{", OTHER)
    said = (await loa("dead", "list")).stdout
    lines = said.splitlines()
    assert f"1: content.{UNIT}.submitted, CONTENT #1" in lines, "a block, readable at 80 columns"
    texts = (WRONG[0].message, WRONG[0].message_vi)
    facts = (f"unit: {UNIT}", f"content_id: {ITEM}", *(f"data.title: {one}" for one in texts))
    assert {f"  {fact}" for fact in facts} <= set(lines)
    first, second = json_output(await loa("dead", "list", "--json"))
    assert (first["times"], second["times"]) == (2, 1)
    assert first["about"]["content_id"] == ITEM
    [only] = json_output(await loa("dead", "list", "--unit", OTHER, "--json"))
    assert only["id"] == second["id"]
    assert json_output(await loa("dead", "list", "--until", "2020-01-01", "--json")) == []
    none = await loa("dead", "list", "--until", "2020-01-01")
    assert none.stderr.splitlines() == [
        "list: no dead letters found",
        "list: không có sự kiện bị loại nào",
    ]


async def test_a_time_that_is_none_is_named_in_both_languages(bus, loa):
    done = await loa("dead", "list", "--since", "hôm qua")
    assert done.exit_code == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["since", "since"]


async def test_many_are_sent_again_at_once_after_a_look(bus, loa):
    for number in range(3):
        await died(bus, b"%d" % number)
    await died(bus, b"{", OTHER)
    dry = await loa("dead", "replay", "--unit", UNIT, "--dry-run", "--json")  # needs no name
    told = json_output(dry)
    assert (dry.exit_code, told["dry_run"], len(told["done"])) == (0, True, 3)
    assert len(await accepted(bus)) == 4
    done = await loa("dead", "replay", "--unit", UNIT, "--reason", "đã thêm chủ đề", USER="binh")
    assert done.exit_code == 0
    assert "3 done, 0 refused, 0 left" in done.stdout
    assert "đã xử lý 3, bị từ chối 0, còn lại 0" in done.stdout
    assert (await accepted(bus))[4:] == [b"0", b"1", b"2"]
    [open_one] = json_output(await loa("dead", "list", "--json"))
    assert open_one["about"]["unit"] == OTHER
    everything = json_output(await loa("dead", "list", "--all", "--json"))
    ended = [one["ended"] for one in everything if one["ended"]]
    assert {(one["by"], one["reason"]) for one in ended} == {("binh", "đã thêm chủ đề")}


async def test_a_receipt_is_sent_again_under_a_new_seal_and_a_forged_one_never(bus, loa, tmp_path):
    """Also where the letter itself was forged: its message is stored nowhere."""
    await open_key_file(bus, tmp_path / "vault.key")
    await open_seals(bus, tmp_path, time.time)
    await use_key(bus, tmp_path)
    subject, letters = "receipt.email.bounce", DeadLetterStore(bus)
    await publish_sealed(bus, subject, b"1", "genuine")
    await bus.publish(subject, b"2")
    for seq in (1, 2, 3):
        stored = await bus.get_message("RECEIPTS", seq)
        headers = dict(stored.headers if stored else {})
        origin = MessageOrigin(subject=subject, stream="RECEIPTS", seq=seq, headers=headers)
        await letters.bury("feedback", origin, b"%d" % seq, WRONG)
    done = await loa("dead", "replay", "1", "2", "3", "--json", USER="binh")
    summary = json_output(done)
    assert [one["id"] for one in summary["done"]] == [1]
    assert [one["id"] for one in summary["refused"]] == [2, 3]
    again = [message async for message in bus.scan("RECEIPTS", start=3)]
    assert [message.data for message in again] == [b"1"]
    assert await message_problem(bus, again[0]) == ""


async def test_a_letter_that_is_unknown_or_dealt_with_is_refused_and_the_rest_is_sent(bus, loa):
    await died(bus, b"1")
    await died(bus, b"2")
    one, two = [letter["id"] for letter in json_output(await loa("dead", "list", "--json"))]
    assert (await loa("dead", "discard", one, "--reason", "rác", "--by", "Bình")).exit_code == 0
    done = await loa("dead", "replay", one, two, 99, "--by", "Bình", "--json")
    assert done.exit_code == 2
    assert [entry["id"] for entry in json_output(done)["done"]] == [two]
    assert sorted(entry["id"] for entry in json_output(done)["refused"]) == [one, 99]
    assert f"số {one} đã được Bình xử lý: loại bỏ\n" in done.stderr, "Vietnamese to the last word"


@pytest.mark.parametrize(
    ("words", "code", "field"),
    [
        (("replay",), 2, "id: "),
        (("replay", 1, "--unit", UNIT), 2, "id: "),
        (("replay", 999), 2, ""),
        (("replay", "--unit", OTHER), 0, ""),
        (("replay", "--unit", OTHER, "--dry-run"), 0, ""),
        (("replay", "--unit", "khong-co-don-vi"), 2, "unit: "),
        (("list", "--unit", "van-phong-b"), 2, "unit: "),
        (("discard", 1, "--reason", " "), 2, "reason: "),
        (("discard", "--reason", "x"), 2, ""),
        (("discard", 1), 2, ""),
        (("discard", 999, "--reason", "typo"), 2, ""),
    ],
)
async def test_an_order_that_names_no_letter_changes_nothing(bus, loa, words, code, field):
    await died(bus, b"{")
    done = await loa("dead", *words, "--by", "Bình")
    assert (done.exit_code, done.stderr.startswith(field)) == (code, True)
    assert len(json_output(await loa("dead", "list", "--json"))) == 1
    assert len(await accepted(bus)) == 1


async def test_what_is_no_letter_is_in_the_list_and_can_be_looked_at(bus, loa):
    await bus.publish(subjects.dead("intake"), b"xin chao")
    await died(bus, b"{")
    said = (await loa("dead", "list")).stdout
    assert "đây không phải sự kiện bị loại" in said
    assert UNIT in said
    assert "xin chao" in (await loa("dead", "show", 1)).stdout
    assert (await loa("dead", "replay", 1, 2, "--by", "Bình")).exit_code == 2
    assert len(await accepted(bus)) == 2


async def test_nobody_is_no_name(bus, loa):
    await died(bus, b"{")
    done = await loa("dead", "replay", 1)
    assert (done.exit_code, done.stderr.partition(":")[0]) == (2, "by")
    assert "--by NAME" in done.stderr and "--by TÊN" in done.stderr
    assert len(await accepted(bus)) == 1


async def test_the_difference_is_shown_before_a_mended_event_is_sent(bus, loa, tmp_path):
    await died(bus, broken())
    file = tmp_path / "mended.json"
    file.write_bytes(broken())
    assert (await loa("dead", "edit", 1, file, USER="binh")).exit_code == 2
    file.write_bytes(envelope.to_structured(submitted(title="Đúng rồi")))
    looked = await loa("dead", "edit", 1, file, "--dry-run")
    assert '-  "title": ""' in looked.stdout
    assert '+  "title": "Đúng rồi"' in looked.stdout
    told = json_output(await loa("dead", "edit", 1, file, "--dry-run", "--json"))
    assert told["letter"]["ended"] is None and '+  "title": "Đúng rồi",' in told["difference"]
    assert len(await accepted(bus)) == 1
    for more in ((), ("--json",)):
        unasked = await loa("dead", "edit", 1, file, *more, USER="binh")
        assert (unasked.exit_code, "needs --yes" in unasked.stderr) == (2, True)
    assert len(await accepted(bus)) == 1, "nothing is sent unasked"
    done = await loa("dead", "edit", 1, file, "--yes", USER="binh")
    assert done.exit_code == 0, done.stderr
    sent = json.loads((await accepted(bus))[1])
    assert sent == json.loads(file.read_bytes()) | {"submitter": "binh"}
    assert json_output(await loa("dead", "show", 1, "--json"))["id"] == 1
    shown = (await loa("dead", "show", 1)).stdout
    assert "edited by binh to CONTENT #2" in shown
    assert '"title": ""' in shown.replace('"title":""', '"title": ""'), "the original stays"


async def test_a_body_can_not_steer_the_terminal(bus, loa):
    await died(bus, b"\x1b[2J\xc2\x9b31m wiped")
    said = (await loa("dead", "show", 1)).stdout
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert "U+001B[2J" in said


async def test_a_trace_of_an_item_whose_event_died_says_refused(bus, loa):
    await died(bus, broken())
    story = json_output(await loa("trace", ITEM, "--json"))
    assert (story["state"], story["channels"]) == ("refused", {})
    assert WRONG[0].message_vi in (await loa("trace", ITEM)).stdout
    [moment] = story["timeline"]
    assert moment["event"] == "dead_letter"
    assert "data.title" in moment["detail"]
    await loa("dead", "replay", 1, "--by", "Bình")
    assert json_output(await loa("trace", ITEM, "--json"))["state"] == "received"
