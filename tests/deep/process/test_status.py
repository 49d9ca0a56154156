"""`loa status` of a real Loa names first what is wrong, and says when a person has to act."""

import os
import signal
import subprocess

from contracts.errors import FieldError
from tests.support import requirements
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import CommandResult, LoaProcess, RelayProcess, wait_until
from tests.support.metrics_page import Page, scrape


def findings(loa: LoaProcess) -> dict[str, dict]:
    """Findings of `loa status`, by code; its exit code says whether a person has to act."""
    told = loa.cli("status", "--json")
    assert told.exit_code in (0, 1), told
    found = {one["code"]: one for one in told.json["findings"]}
    needs = any(one["severity"] == "act" for one in found.values())
    assert told.exit_code == int(needs)
    return found


def found(loa: LoaProcess, code: str) -> dict:
    return wait_until(lambda: findings(loa).get(code), code)


def first_line(told: CommandResult) -> str:
    return told.out.splitlines()[0]


def test_a_full_disk_is_named_first_while_the_door_says_503(tmp_path):
    requirements.small_disks()
    with requirements.small_disk(tmp_path / "data") as disk, LoaProcess(tmp_path) as loa:
        loa.add_unit()
        assert loa.post(sample_event(id="dau", content_id="dau")).status == 202
        assert "disk_full" not in findings(loa)
        ballast = requirements.fill(disk)
        wait_until(lambda: loa.post(large_event()).status == 503, "the closed door")
        told = loa.cli("status")
        text = told.out + told.err
        assert told.exit_code in (1, 3), "3 while the server starts anew"
        assert "(disk_full)" in text and "không bao giờ xóa tệp trong nats/" in text
        codes = wait_until(lambda: codes_of_trouble(loa), "a server between two starts")
        assert codes[0] == "disk_full", codes
        wait_until(lambda: stores_nothing(loa), "what the bus says")
        ballast.unlink()
        wait_until(lambda: loa.post(large_event()).status == 202, "the open door")
        gone = {"bus_cannot_store", "disk_full", "bus_ill"}
        wait_until(lambda: not gone & set(codes_if_there(loa)), "good health")


def codes_of_trouble(loa: LoaProcess) -> list[str]:
    """Findings of `loa status`, once it names the bus; not while the server starts anew, or has."""
    loa.post(large_event())
    told = loa.cli("status", "--json")
    codes = [one["code"] for one in told.json["findings"]] if told.exit_code == 1 else []
    return codes if {"bus_cannot_store", "bus_ill"} & set(codes) else []


def large_event() -> dict:
    return sample_event(id="lon", content_id="tin-lon", body="x" * 20_000)


def codes_if_there(loa: LoaProcess) -> list[str]:
    """The codes that `loa status` finds; that of a bus that is away where it ends with 3."""
    told = loa.cli("status", "--json")
    return ["bus_ill"] if told.exit_code == 3 else [one["code"] for one in told.json["findings"]]


def stores_nothing(loa: LoaProcess) -> bool:
    """Whether status says that the bus stores nothing; /readyz says so too, by the same code."""
    loa.post(large_event())  # the server is well for a moment after each of its restarts
    answer = loa.request("/readyz").body
    in_readyz = {one["code"] for one in answer.get("findings", ())}
    assert not answer["failing"].get("nats") or "bus_ill" in in_readyz
    return bool({"bus_cannot_store", "bus_ill"} & set(codes_if_there(loa)) and in_readyz)


def test_limits_and_quotas_of_zalo_are_told_before_and_after_they_end(tmp_path):
    with LoaProcess(tmp_path, ZALO_ARTICLES_PER_MONTH=2, CANARY_EVERY_S=0) as loa:
        loa.add_unit()
        loa.publish("mot", "zalo")
        loa.publish("hai", "zalo")
        low = found(loa, "limit_low")
        assert low["severity"] == "watch" and "LOA_ZALO_ARTICLES_PER_MONTH" in low["remedy"]
        loa.publish("ba", "zalo")
        used = found(loa, "limit_used_up")
        assert used["until"] and used["since"] and "số bài viết mỗi tháng" in used["message_vi"]
        assert loa.cli("status").out.startswith("loa: problems that need a person: 1\n")


def test_a_quota_that_zalo_refuses_says_reason_remedy_and_until_when(tmp_path):
    with LoaProcess(tmp_path, CANARY_EVERY_S=0) as loa:
        loa.add_unit()
        loa.sandbox("rules", {"article_quota": 0})
        loa.publish("mot", "zalo")
        used = found(loa, "zalo_quota_used_up")
        assert "zalo -223 article quota" in used["message"] and used["until"]
        assert used["remedy"].startswith("oa.zalo.me") and "xóa bài cũ" in used["remedy_vi"]


def test_people_s_work_and_a_resumed_canary_are_told(tmp_path):
    with LoaProcess(tmp_path, CANARY_EVERY_S=3600) as loa:
        loa.add_unit()
        wait_until(lambda: "canary ok" in loa.cli("status").out, "the first canaries")
        assert loa.cli("status").exit_code == 0
        loa.cli("pause", "email", "--by", "Trần Thị B")
        assert findings(loa)["channel_paused"]["severity"] == "note"
        wait_until(lambda: "email: canary paused" in loa.cli("status").out, "the pause")
        loa.cli("resume", "email")
        waits = "email: canary: none on its way, the next goes at "
        wait_until(lambda: waits in loa.cli("status").out, "the time of the next")
        answer = loa.post(sample_event("corrected", id="sai", content_id="khong-co"))
        assert answer.status == 202
        letter = found(loa, "dead_letters")
        check_metrics(loa)
        assert letter["severity"] == "act" and loa.cli("status").exit_code == 1
        assert letter["since"] and "sự kiện bị loại" in letter["message_vi"]
        assert loa.page_status("/tin/khong-co.html") != 200
        status = wait_until(lambda: refusal(loa, answer.body["event_id"]), "the refusal")
        assert status[0].field == "data.content_id"
        assert loa.trace(answer.body["event_id"])["state"] == "refused"


def facts_and_status(loa: LoaProcess) -> tuple[Page, dict] | None:
    """Both, once they tell of the dead letter and of the same findings."""
    facts, told = scrape(loa.ready().metrics), loa.cli("status", "--json").json
    found = {(one["code"], one["severity"]) for one in told["findings"]}
    shown = sum(facts.total("loa_status_findings", code=c, severity=s) for c, s in found)
    return (facts, told) if facts.total("loa_dead_letters") and shown == len(found) else None


def check_metrics(loa: LoaProcess) -> None:
    """A scrape says what `loa status` says, and counts what went through the door."""
    facts, told = wait_until(lambda: facts_and_status(loa), "new facts", 150)
    for one in told["findings"]:
        assert facts.total("loa_status_findings", code=one["code"], severity=one["severity"]) == 1
    assert facts.total("loa_status_findings") == len(told["findings"])
    assert facts.total("loa_status_needs_person") == 1
    for name, channel in told["channels"].items():
        assert facts.total("loa_canary_state", channel=name, state=channel["canary"]["state"]) == 1
        for lane, one in channel["lanes"].items():
            backlog = facts.total("loa_backlog_rows", channel=name, lane=lane)
            assert backlog == one["backlog"]
    refused = {"unit": UNIT, "kind": "corrected", "answer": "invalid", "door": "intake"}
    assert facts.total("loa_events_total", **refused) == 1


def refusal(loa: LoaProcess, event_id: str) -> list[FieldError]:
    story = loa.request(f"/v1/events/{event_id}").body
    if story["state"] != "refused":
        return []
    return [FieldError(**error) for one in story["timeline"] for error in one.get("errors", ())]


def at_terminal(loa: LoaProcess, answer: str, *words: str) -> CommandResult:
    """Answer of a command to a person who types *answer*."""
    master, terminal = os.openpty()
    try:
        os.write(master, f"{answer}\n".encode())
        done = subprocess.run(
            [*loa.command, *words], stdin=terminal, env=loa.environ, cwd=loa.folder,
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(terminal)
    return CommandResult(done.returncode, done.stdout, done.stderr)


def test_a_person_at_a_terminal_is_asked_before_an_item_is_taken_back(tmp_path):
    with LoaProcess(tmp_path, CANARY_EVERY_S=0) as loa:
        loa.add_unit()
        loa.trace_of_event(loa.publish("mot", "portal"))
        words = ("withdraw", "mot", "--reason", "Nhầm", "--by", "An")
        assert loa.cli(*words, stdin="y\n").exit_code == 2, "a pipe is no terminal"
        refused = at_terminal(loa, "n", *words)
        assert refused.exit_code == 2 and "Gỡ tin này trên mọi kênh?" in refused.err
        assert loa.trace("mot")["state"] == "released"
        assert at_terminal(loa, "y", *words).exit_code == 0
        wait_until(lambda: loa.trace("mot")["state"] == "withdrawn", "the withdrawal")


def test_a_relay_that_hangs_is_told_at_once_with_its_name_and_not_as_the_former_one(tmp_path):
    """No breaker opens for minutes: by RFC 5321 an answer may take that long."""
    with (
        RelayProcess(tmp_path) as relay,
        LoaProcess(tmp_path, **relay.settings | {"EMAIL_PORT": 1}) as loa,
    ):
        loa.add_unit()
        loa.readers(2)
        item = loa.publish("mot", "email")
        assert "no connection" in found(loa, "channel_broken")["message"]
        loa.stop()
        relay.process.send_signal(signal.SIGSTOP)
        loa.environ["LOA_EMAIL_PORT"] = str(relay.port)
        loa.start()
        failing = found(loa, "channel_failing")
        assert (failing["about"], failing["severity"]) == ("email", "watch")
        assert "no answer" in failing["message"] and failing["since"]
        assert f"127.0.0.1:{relay.port}" in failing["remedy"]
        assert "LOA_EMAIL_PORT" in failing["remedy_vi"]
        assert "channel_broken" not in findings(loa)
        assert loa.request("/readyz").body["trouble"] == {"email": "no answer"}
        relay.process.send_signal(signal.SIGCONT)
        assert loa.trace_of_event(item)["channels"]["email"]["delivered"] == 2
