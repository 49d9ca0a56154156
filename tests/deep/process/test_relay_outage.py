"""Real processes while the relay is away, and while a channel is paused: over kills, to the end."""

import pytest

from tests.support.loa_process import UNIT, LoaProcess, RelayProcess, wait_until

READERS = 600
ITEMS = 4


def email(loa: LoaProcess) -> dict:
    return loa.cli("status", "--json").json["channels"]["email"]


def backlog(channel: dict) -> dict[str, int]:
    return {lane: facts["backlog"] for lane, facts in channel["lanes"].items()}


def comes_back(relay: RelayProcess) -> None:
    """The same relay, on the same port."""
    relay.start(relay.record.parent / "again")


def everybody_once(relay: RelayProcess, items: int) -> None:
    mails = relay.accepted_mails()
    assert len(mails) == len(set(mails)) == items * READERS


@pytest.mark.promise("8.4")
def test_a_pause_survives_a_kill_and_all_goes_out_within_seconds_of_resuming(relay, tmp_path):
    with LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        assert loa.cli("pause", "email", "--reason", "nghỉ Tết").exit_code == 0
        wait_until(lambda: "channel_paused" in loa.log(), "the pause")
        items = [loa.publish(f"tin-{number}") for number in range(ITEMS)]
        wait_until(lambda: backlog(email(loa))["normal"] == ITEMS * READERS, "the plans")
        for _ in range(2):
            loa.kill()
            told = loa.cli("status", "--json")
            assert (told.exit_code, told.json["findings"][0]["code"]) == (1, "crashed")
            loa.start()
            now = email(loa)
            assert (now["paused"], now["paused_reason"]) == (True, "nghỉ Tết")
            ready = loa.request("/readyz")
            assert (ready.status, ready.body["standing"]) == (200, {"email": "paused"})
        assert relay.count() == 0
        assert loa.cli("resume", "email").exit_code == 0
        for item in items:
            assert loa.trace_of_event(item, 300)["channels"]["email"]["delivered"] == READERS
        everybody_once(relay, ITEMS)
        assert loa.violations() == []


@pytest.mark.promise("8.1")
def test_a_relay_that_comes_back_gets_everything_once_and_the_urgent_item_first(relay, tmp_path):
    with LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit(UNIT, "--urgent")
        loa.readers(READERS)
        relay.process.kill()
        relay.process.wait()
        items = [loa.publish(f"tin-{number}", lane="bulk") for number in range(ITEMS)]
        wait_until(lambda: email(loa)["breaker"] != "closed", "the breaker")
        loa.kill()
        loa.start()
        items.append(loa.publish("canh-bao", lane="urgent"))
        wait_until(lambda: backlog(email(loa))["urgent"] == READERS, "the urgent plan")
        now = email(loa)
        assert now["breaker"] in ("open", "half-open")
        assert "connection" in now["breaker_reason"]
        assert loa.request("/readyz").status == 200
        comes_back(relay)
        for item in items:
            loa.trace_of_event(item, 300)
        everybody_once(relay, ITEMS + 1)
        assert email(loa)["breaker"] == "closed"
        assert len(loa.logged("breaker_opened")) == 1
        [closed] = loa.logged("breaker_closed")
        assert closed["batch"].startswith("email.canh-bao."), "the urgent item tried first"
        assert loa.violations() == []
