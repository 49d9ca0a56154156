"""A real Loa tries its own channels, and says so when the relay is gone."""

import json

import pytest

from channels.portal.site import CANARY_PATH
from tests.real_loa import RealLoa, Relay, until

pytestmark = pytest.mark.story
BOX = "truc-he-thong@moha.example"
QUICK = {"CANARY_EVERY_S": 0.5, "CANARY_GRACE_S": 8, "CANARY_EMAIL": BOX}
CHANNELS = ("portal", "email", "zalo")


def canaries(loa: RealLoa) -> dict[str, str]:
    return {name: one["state"] for name, one in loa.ask("/readyz").body.get("canary", {}).items()}


def all_well(loa: RealLoa) -> bool:
    return canaries(loa) == dict.fromkeys(CHANNELS, "ok")


def lines(loa: RealLoa, event: str) -> list[dict]:
    found = (json.loads(line) for line in loa.log().splitlines() if line.startswith("{"))
    return [one for one in found if one["event"] == event]


def test_canaries_go_out_and_a_relay_that_is_gone_is_named(tmp_path):
    with Relay(tmp_path) as relay, RealLoa(tmp_path, **QUICK, **relay.settings) as loa:
        until(lambda: all_well(loa), "all canaries back")
        until(lambda: relay.count() > 2, "three mails")
        mails = relay.mails()
        assert {recipient for recipient, _ in mails} == {BOX}
        assert len(set(mails)) == len(mails), "each is a mail of its own"
        assert loa.page(CANARY_PATH) == 200
        assert loa.effects().total() == 0
        relay.process.kill()
        until(lambda: canaries(loa).get("email") == "late", "the late one")
        said = loa.ask("/readyz")
        assert (said.status, said.body["status"]) == (200, "degraded")
        assert "the channel said: no connection" in said.body["canary"]["email"]["why"]
        [late, *_] = until(lambda: lines(loa, "canary_late"), "the log line")
        assert (late["channel"], late["level"]) == ("email", "warning")
        status = loa.cli("status", "--json").json["channels"]
        assert {name: one["canary"]["state"] for name, one in status.items()} == {
            "portal": "ok",
            "email": "late",
            "zalo": "ok",
        }
        assert status["email"]["goes_to"].startswith("the relay 127.0.0.1:")
        assert {name for name, one in status.items() if one["stand_in"]} == {"zalo"}
        assert all(
            lane["backlog"] == 0 for one in status.values() for lane in one["lanes"].values()
        )
        assert "email: canary late" in loa.cli("status").out
        assert loa.cli("check", "--deep", "--json").json["violations"] == []


def test_where_nothing_is_configured_the_mail_lies_in_the_catch_all(tmp_path):
    with RealLoa(tmp_path, **QUICK) as loa:
        until(lambda: all_well(loa), "all canaries back")
        mails = [path.read_bytes() for path in (loa.data / "mail").rglob("*.eml")]
        assert any(BOX.encode() in mail for mail in mails)
