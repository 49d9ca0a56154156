"""A real Loa tries its own channels, and says so when the relay is gone."""

import pytest

from channels.portal.model.site import CANARY_PATH
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

BOX = "truc-he-thong@moha.example"
QUICK = {"CANARY_EVERY_S": 0.5, "CANARY_GRACE_S": 8, "CANARY_EMAIL": BOX}
CHANNELS = ("portal", "email", "zalo")


def canaries(loa: LoaProcess) -> dict[str, str]:
    states = loa.request("/readyz").body.get("canary", {})
    return {name: one["state"] for name, one in states.items()}


def all_well(loa: LoaProcess) -> bool:
    return canaries(loa) == dict.fromkeys(CHANNELS, "ok")


def status_of_channels(loa: LoaProcess) -> dict[str, dict]:
    """Channels by `loa status`, once only the mail's canary is late."""
    status = loa.cli("status", "--json").json["channels"]
    states = {name: one["canary"]["state"] for name, one in status.items()}
    return status if states == {"portal": "ok", "email": "late", "zalo": "ok"} else {}


@pytest.mark.promise("10.1")
def test_canaries_go_out_and_a_relay_that_is_gone_is_named(tmp_path):
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **QUICK, **relay.settings) as loa:
        wait_until(lambda: all_well(loa), "all canaries back")
        wait_until(lambda: relay.count() > 2, "three mails")
        mails = relay.accepted_mails()
        assert {recipient for recipient, _ in mails} == {BOX}
        assert len(set(mails)) == len(mails), "each is a mail of its own"
        assert loa.page_status(CANARY_PATH) == 200
        assert loa.zalo_effects().total() == 0
        relay.process.kill()
        wait_until(lambda: canaries(loa).get("email") == "late", "the late one")
        said = loa.request("/readyz")
        assert (said.status, said.body["status"]) == (200, "degraded")
        assert "the channel said: no connection" in said.body["canary"]["email"]["why"]
        [late, *_] = wait_until(lambda: loa.logged("canary_late"), "the log line")
        assert (late["channel"], late["level"]) == ("email", "warning")
        status = wait_until(lambda: status_of_channels(loa), "the late one alone")
        assert status["email"]["goes_to"].startswith("the relay 127.0.0.1:")
        assert {name for name, one in status.items() if one["stand_in"]} == {"zalo"}
        lanes = [lane for one in status.values() for lane in one["lanes"].values()]
        assert not any(lane["backlog"] for lane in lanes)
        assert "email: canary late" in loa.cli("status").out
        assert loa.violations() == []


def test_where_nothing_is_configured_the_mail_lies_in_the_catch_all(tmp_path):
    with LoaProcess(tmp_path, **QUICK) as loa:
        wait_until(lambda: all_well(loa), "all canaries back")
        mails = [path.read_bytes() for path in (loa.data / "mail").rglob("*.eml")]
        assert any(BOX.encode() in mail for mail in mails)
