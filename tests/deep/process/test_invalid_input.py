"""Bad input at each door: a clear error in both languages, nothing lost, nothing half done."""

import asyncio
import json

import pytest

from producers.bus import Bus
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, wait_until

NAMED = ("--by", "An", "--yes")


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit()
        loa.readers(1)
        yield loa


def bad_title(id: str):
    return sample_event(id=id, content_id=id, title="a\u202eb")


def bilingual(errors, field: str) -> bool:
    [error] = errors
    return error["field"] == field and error["message"] and error["message_vi"] != error["message"]


def test_a_batch_with_one_bad_event_leaves_the_good_ones_out_too(loa):
    batch = [sample_event(id="b-1", content_id="batch-good"), bad_title("batch-bad")]
    answer = loa.post(batch, Content_Type="application/cloudevents-batch+json")
    assert answer.status == 422
    assert bilingual(answer.body["errors"], "[1].data.title")
    assert loa.trace("batch-good") == {}
    batch[1] = sample_event(id="b-2", content_id="batch-good-too")
    answer = loa.post(batch, Content_Type="application/cloudevents-batch+json")
    assert answer.status == 202
    assert loa.trace_when_complete("batch-good")["channels"]["email"]["delivered"] == 1
    assert loa.trace_when_complete("batch-good-too")["state"] == "released"


def test_nats_makes_it_a_dead_letter_with_its_whole_body_and_reason(loa, tmp_path):
    body = json.dumps(bad_title("nats-bad")).encode()

    async def publish() -> None:
        async with await Bus.connect(loa.ready().nats_url) as bus:
            await bus.publish(f"content.{UNIT}.submitted", body)
            await bus.publish(f"content.{UNIT}.submitted", b"\xff no json")

    asyncio.run(publish())
    letters = wait_until(lambda: len(got := loa.dead_letters()) == 2 and got, "two dead letters")
    assert bilingual(letters[0]["errors"], "data.title")
    shown = loa.cli("dead", "show", letters[0]["id"])
    assert "nats-bad" in shown.out
    story = loa.trace("nats-bad")
    assert story["state"] == "refused"
    assert f"{letters[0]['id']}: data.title" in story["timeline"][0]["detail"]
    discard = ("dead", "discard", letters[1]["id"], "--reason", "thử", "--by", "người trực")
    assert loa.cli(*discard).exit_code == 0
    assert len(loa.dead_letters()) == 1
    assert len(loa.cli("dead", "list", "--all", "--json").json) == 2
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(bad_title("nats-bad")))
    assert loa.cli("dead", "edit", letters[0]["id"], mended).exit_code == 2, "still broken"
    mended.write_text(json.dumps(sample_event(id="nats-bad", content_id="nats-bad")))
    assert (
        loa.cli("dead", "edit", letters[0]["id"], mended, "--by", "người trực", "--yes").exit_code
        == 0
    )
    [waiting] = wait_until(lambda: loa.cli("desk", "list", "--json").json, "the mended text")
    approve = ("desk", "approve", "nats-bad", "--clean", "--by", "Trần Thị B")
    assert loa.cli(*approve, "--hash", waiting["hash"]).exit_code == 0
    assert loa.trace_when_complete("nats-bad")["state"] == "released"
    assert loa.dead_letters() == []


def test_the_command_line_says_what_is_wrong_and_sends_nothing(loa):
    done = loa.cli("publish", "-", "--json", stdin=json.dumps(bad_title("cli-bad")))
    assert done.exit_code == 2
    assert bilingual(done.json["errors"], "data.title")
    assert "data.title: " in done.err
    assert loa.trace("cli-bad") == {}
    event = json.dumps(sample_event(id="cli-1", content_id="cli-good"))
    good, again = (loa.cli("publish", "-", "--json", stdin=event) for _ in range(2))
    assert (good.exit_code, again.exit_code) == (0, 0), good
    assert again.json["event_id"] == good.json["event_id"]
    assert loa.trace_when_complete("cli-good")["state"] == "released"


def test_csv_lines_are_refused_one_by_one_and_the_rest_is_in(loa, tmp_path):
    path = tmp_path / "readers.csv"
    path.write_text(
        "email,name,topics,audiences,units,frequency\n"
        "tot@example.com,,chuyen-doi-so,,,\n"
        "khong-phai-dia-chi,,,,,\n"
        "gio@example.com,,,,,hourly\n"
        "la@example.com,,chu-de-la,,,\n"
    )
    done = loa.cli("subscribers", "import", path, "--json")
    assert done.exit_code == 2
    assert (done.json["added"], done.json["updated"], done.json["unchanged"]) == (1, 0, 0)
    rejected = [(one["line"], one["field"]) for one in done.json["rejected"]]
    assert rejected == [(3, "email"), (4, "frequency"), (5, "topics")]
    assert all(one["message"] and one["message_vi"] for one in done.json["rejected"])
    again = loa.cli("subscribers", "import", path, "--json")
    assert (again.json["added"], again.json["unchanged"]) == (0, 1)


def test_a_unit_at_the_desk_waits_for_another_pair_of_eyes(loa):
    key = loa.key
    try:
        added = loa.cli("units", "add", "vu-phap-che", "--release", "desk", "--json")
        assert loa.cli("units", "add", "vu-phap-che").exit_code == 2
        loa.key = added.json["api_key"]
        event = sample_event(id="d-1", content_id="cho-duyet", revision=2, author="Nguyễn Văn A")
        event["source"] = "/units/vu-phap-che"
        accepted = loa.post(event)
        assert accepted.status == 202, accepted
        waiting = wait_until(lambda: loa.cli("desk", "list", "--json").json, "a draft")
        assert waiting[0]["content_id"] == "cho-duyet"
        assert loa.request(accepted.body["status_url"]).body["state"] == "waiting"
        own = ("--by", "Nguyen Van A", "--hash", waiting[0]["hash"])
        assert loa.cli("desk", "approve", "cho-duyet", *own).exit_code == 2
        approve = ("desk", "approve", "cho-duyet", "--clean", "--by", "Trần Thị B", "--hash")
        assert loa.cli(*approve, "x").exit_code == 2
        ok = loa.cli(*approve, waiting[0]["hash"])
        assert ok.exit_code == 0, ok
        told = loa.trace_when_complete("cho-duyet")
        assert told["state"] == "released"
        approved = [one["by"] for one in told["timeline"] if one["event"] == "approved"]
        assert approved == ["Trần Thị B"]
        late = sample_event(id="d-0", content_id="cho-duyet") | {"source": event["source"]}
        assert loa.post(late).status == 202
        status = wait_until(lambda: refused_at(loa, accepted.body["status_url"]), "the refusal")
        [why] = [one["errors"] for one in status["timeline"] if one["event"] == "refused"]
        assert why[0]["field"] == "data.revision" and "phải lớn hơn" in why[0]["message_vi"]
        assert "Trần Thị B" not in str(status), "a unit is told no clerk's name"
    finally:
        loa.key = key


def refused_at(loa, url):
    """The status, once it tells of a refusal."""
    told = loa.request(url).body
    return told if "refused" in [one["event"] for one in told["timeline"]] else None


def test_a_title_that_names_somebody_is_taken_back_by_a_correction_and_a_withdrawal(loa):
    named = "Zyxwvut, điện thoại 0912345678"

    def telling():
        files = [path for path in (loa.data / "portal" / "public").rglob("*") if path.is_file()]
        return [path for path in files if named.encode() in path.read_bytes()]

    loa.trace_of_event(loa.publish("ten-nguoi", title=f"Kết quả thi của {named}"))
    assert telling()
    harmless = {"title": "Kết quả thi", "body": "Nội dung đã được bỏ.", "summary": ""}
    change = {"revision": 2, "reason": "Lộ thông tin cá nhân"} | harmless
    answer = loa.post(sample_event("corrected", id="t-2", content_id="ten-nguoi", **change))
    loa.trace_of_event(answer.body["event_id"])
    assert (
        loa.cli(
            "withdraw", "ten-nguoi", "--reason", "Lộ thông tin cá nhân", "--by", "An", "--yes"
        ).exit_code
        == 0
    )
    wait_until(lambda: loa.page_status("/tin/ten-nguoi") == 410, "410")
    assert loa.trace_when_complete("ten-nguoi")["state"] == "withdrawn"
    assert telling() == []


def test_only_what_readers_can_see_takes_their_opinion(loa):
    later = {"not_before": "2040-01-01T00:00:00Z", "expires_at": None}
    unseen = {"se-dang": later, "se-khong-dang": later, "chi-thu": {"channels": ["email"]}}
    items = unseen | {"dang-xem": {}}
    for name, changes in items.items():
        loa.publish(name, **changes)
    loa.trace_when_complete("dang-xem")
    loa.trace_when_complete("chi-thu")
    for name in ("se-dang", "se-khong-dang"):
        wait_until(lambda name=name: loa.trace(name).get("state") == "scheduled", "the embargo")
    assert (
        loa.cli(
            "withdraw", "se-khong-dang", "--reason", "Không đăng nữa", "--by", "An", "--yes"
        ).exit_code
        == 0
    )
    wait_until(lambda: loa.trace("se-khong-dang")["state"] == "withdrawn", "the withdrawal")
    for name in (*unseen, "khong-co"):
        assert loa.page_status(f"/tin/{name}") == 404
        assert loa.page_status(f"/y-kien/{name}") == 404, name
        assert loa.page_status(f"/y-kien/{name}/cam-on") == 404, name
    assert loa.page_status("/y-kien/dang-xem/cam-on") == 200
    assert loa.cli("withdraw", "dang-xem", "--reason", "Hết hạn", *NAMED).exit_code == 0
    wait_until(lambda: loa.page_status("/tin/dang-xem") == 410, "410")
    assert loa.page_status("/y-kien/dang-xem/cam-on") == 410


def test_a_sign_in_without_a_terminal_is_told_in_our_words(loa):
    refused = loa.cli("login", "khong-co", stdin="")
    assert refused.exit_code == 2 and "Warning" not in refused.err, refused.err
    assert refused.err.count("\n") <= 4


def test_nothing_was_left_half_done(loa):
    assert loa.violations() == []
