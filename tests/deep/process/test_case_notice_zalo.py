"""Out of the box a dossier's person is told on Zalo: the sandbox's templates need no set-up."""

import json

from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, LoaProcess, wait_until

PHONE = "84912345678"


def an_event(id, phone="0912 345 678", **data):
    return sample_event("updated", id=id, contact={"phone": phone, "consent": True}, **data)


def messages(loa):
    return [one for one in loa.sandbox("state")["messages"] if one["template_id"]]


def test_a_person_is_told_once_or_not_at_all_and_the_day_s_money_is_kept_to(tmp_path):
    (tmp_path / ".env").write_text("LOA_ZALO_MONEY_PER_DAY=1600\n")
    with LoaProcess(tmp_path) as loa:
        loa.add_unit(UNIT, "--notices", "zalo")
        answers = [loa.post(an_event("e-1")) for _ in range(3)]
        assert {answer.status for answer in answers} == {202}, answers
        loa.trace_of_event(answers[0].body["event_id"])
        [message] = messages(loa)
        assert message["phone"] == PHONE
        assert "G09.20-20260609-0092637" in message["content"]["text"]
        loa.sandbox("people", {"phone": PHONE, "template_code": -114})
        answer = loa.post(an_event("e-2", status=4, handled_by="Chuyên viên"))
        story = loa.trace_of_event(answer.body["event_id"])
        assert story["channels"]["zalo"]["suppressed"] == 1
        assert len(messages(loa)) == 1
        other = loa.post(an_event("e-3", phone="0912 345 679", status=7))
        loa.trace_of_event(other.body["event_id"])
        loa.post(an_event("e-4", phone="0912 345 680", status=10))
        wait_until(lambda: '"zalo_quota_spent"' in loa.log(), "the day's money")
        assert len(messages(loa)) == 2
        assert PHONE not in loa.log()
        assert "912" not in json.dumps(story)
        assert loa.violations() == []
    assert loa.log().count("zalo_notice_sent") == 2
