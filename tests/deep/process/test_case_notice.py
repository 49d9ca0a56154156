"""A dossier's person is told at once, once, and on the next channel only where the first can't."""

import json

import pytest

from contracts import keys
from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, LoaProcess, RelayProcess, wait_until

EMAIL = "nguoi-nop@example.com"


@pytest.mark.promise("12.1", "12.2")
def test_a_person_is_told_by_mail_once_however_often_the_event_comes(tmp_path):
    event = sample_event("updated")
    code = event["data"]["case_code"]
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit(UNIT, "--notices", "email")
        answers = [loa.post(event) for _ in range(5)]
        assert {answer.status for answer in answers} == {202}, answers
        assert {answer.body["revision"] for answer in answers} == {1}
        second = loa.post(sample_event("updated", id="e-2", status=4, handled_by="Chuyên viên"))
        assert second.body["revision"] == 2
        story = loa.trace_of_event(second.body["event_id"])
        assert story["content_id"] == keys.case_content_id(code)
        assert story["channels"]["email"]["delivered"] == 1
        assert [one for one in loa.trace(code)["timeline"] if one["event"] == "delivered"]
        wait_until(lambda: relay.count() == 2, "both mails")
        assert [mail for mail, _ in relay.accepted_mails()] == [EMAIL, EMAIL]
        another = {"email": "khac@example.com", "consent": True}
        other = loa.post(event | {"data": event["data"] | {"contact": another}})
        assert (other.status, other.body["errors"][0]["field"]) == (409, "data.contact")
        assert loa.violations() == []
        assert EMAIL not in loa.log()
        stored = {path: path.read_bytes() for path in (loa.data / "nats").rglob("*.blk")}
        assert stored
        assert [path for path, data in stored.items() if EMAIL.encode() in data] == []
        assert json.dumps(story).count("@") == 0
