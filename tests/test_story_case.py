"""A dossier's person is told at once, once, and on the next channel only where the first can't."""

import json

import pytest

from contracts import keys
from contracts.testing import sample
from tests.real_loa import UNIT, RealLoa, Relay

pytestmark = pytest.mark.story
EMAIL = "nguoi-nop@example.com"


def an_event(id: str = "e-1", **data):
    event = sample("updated", **data)
    return event | {"id": id, "source": f"/units/{UNIT}"}


def test_a_person_is_told_by_mail_once_however_often_the_event_comes(tmp_path):
    event = an_event()
    code = event["data"]["case_code"]
    with Relay(tmp_path) as relay, RealLoa(tmp_path, **relay.settings) as loa:
        loa.a_unit(UNIT, "--notices", "email")
        answers = [loa.post(event) for _ in range(5)]
        assert {answer.status for answer in answers} == {202}, answers
        assert {answer.body["revision"] for answer in answers} == {1}
        second = loa.post(an_event("e-2", status=4, handled_by="Chuyên viên"))
        assert second.body["revision"] == 2
        story = loa.delivered(second.body["event_id"])
        assert story["content_id"] == keys.case_content_id(code)
        assert story["channels"]["email"]["delivered"] == 1
        assert [one for one in loa.story(code)["timeline"] if one["event"] == "delivered"]
        assert [mail for mail, _ in relay.mails()] == [EMAIL, EMAIL]
        another = {"email": "khac@example.com", "consent": True}
        other = loa.post(event | {"data": event["data"] | {"contact": another}})
        assert (other.status, other.body["errors"][0]["field"]) == (409, "data.contact")
        check = loa.cli("check", "--deep", "--json")
        assert check.code == 0, check.out
        assert EMAIL not in loa.log()
        stored = {path: path.read_bytes() for path in (loa.data / "nats").rglob("*.blk")}
        holding = {str(path) for path, data in stored.items() if EMAIL.encode() in data}
        assert holding and all("KV_notices" in path for path in holding)
        assert json.dumps(story).count("@") == 0
