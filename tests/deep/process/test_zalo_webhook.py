"""Zalo's webhook in real processes: heard out of the box, and once though its process dies."""

import asyncio
import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from channels.zalo.stand_in import APP_ID, APP_SECRET
from producers.bus import Bus
from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, LoaProcess, wait_until
from tests.support.split_loa import Service

ROOT = Path(__file__).parents[3]
WORDS = "Hồ sơ của tôi số 001099012345 đâu?"
OURS = {
    "LOA_ZALO_APP_ID": APP_ID,
    "LOA_ZALO_APP_SECRET": APP_SECRET,
    "LOA_HTTP_PORT": "0",
}


def later(loa, seconds: float) -> None:
    """Zalo's time passes."""
    now = loa.sandbox("state")["now"] + seconds
    loa.sandbox("clock", {"now": datetime.fromtimestamp(now, UTC).isoformat()})


def written_by(loa, **facts) -> str:
    """A new person writes; their id."""
    user_id = loa.sandbox("people", facts)["user_id"]
    loa.sandbox(f"people/{user_id}/write", {"text": WORDS})
    return user_id


def replies(loa, user_id: str) -> list:
    talk = loa.sandbox("state")["messages"]
    return [one for one in talk if one["user_id"] == user_id and one["from_oa"]]


def retried(loa, name: str) -> list:
    """The bodies of the events called *name* that Zalo has tried in vain and will try again."""
    late = [one for one in loa.sandbox("webhook")["waiting"] if one["tries"]]
    bodies = [json.loads(one["body"]) for one in late]
    return [body for body in bodies if body["event_name"] == name]


def test_out_of_the_box_who_writes_is_answered_counted_and_can_be_forgotten(tmp_path):
    with LoaProcess(tmp_path, ZALO_LOOKUP_URL="https://tra-cuu.example") as loa:
        assert loa.sandbox("webhook/probe", {})["accepted"]
        user_id = written_by(loa, phone="84912345678", name="Nguyễn Văn Kín")
        [reply] = wait_until(lambda: replies(loa, user_id), "a reply")
        assert "https://tra-cuu.example" in reply["content"]["text"]
        loa.sandbox(f"people/{user_id}/follow", {})
        counted = wait_until(lambda: following(loa), "the follower to be counted")
        assert (counted["followers"], counted["within_reach"], counted["suppressed"]) == (1, 1, 0)
        table = loa.cli("zalo", "followers")
        assert "within reach" in table.out
        loa.sandbox(f"people/{user_id}/withdraw", {})
        wait_until(lambda: "zalo_person_erased" in loa.log(), "the erasure")
        gone = loa.cli("zalo", "followers", "--json").json
        assert (gone["followers"], gone["suppressed"]) == (0, 1)
        assert len(replies(loa, user_id)) == 1
        lift = ("zalo", "suppressed", "lift", f"zalo:{user_id}", "--by")
        assert loa.cli(*lift, " ").exit_code == 2
        assert loa.cli(*lift, "Trần Thị Bình").exit_code == 0
        again = loa.cli(*lift, "Trần Thị Bình")
        assert (again.exit_code, "không bị ngừng gửi" in again.err) == (2, True)
        for private in (WORDS, "001099012345", "Nguyễn", "84912345678", user_id):
            assert private not in loa.log()


def following(loa):
    counted = loa.cli("zalo", "followers", "--json").json
    return counted if counted["followers"] else None


def test_a_notice_whose_answer_was_lost_has_arrived_once_its_phone_says_so(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit(UNIT, "--notices", "zalo")
        loa.sandbox("faults", {"route": "business.template", "kind": "drop_after"})
        contact = {"phone": "0912 345 678", "consent": True}
        accepted = loa.post(sample_event("updated", contact=contact))
        assert accepted.status == 202, accepted

        def arrived():
            counts = loa.request(f"/v1/events/{accepted.body['event_id']}").body["channels"]
            return counts and counts["zalo"]["delivered"] == 1

        wait_until(arrived, "the receipt to end the doubt")
        [message] = [one for one in loa.sandbox("state")["messages"] if one["template_id"]]
        assert message["phone"] == "84912345678"
        assert "receipt_applied" in loa.log()
        assert "912345678" not in loa.log()


@contextmanager
def hearing(loa, point="-"):
    """`loa run zalo-webhook` beside *loa*; it dies at *point*."""
    command = (sys.executable, "-m", "tests.deep.crash.launch", point, "1")
    secret = (loa.data / "zalo-sandbox" / "oa-secret").read_text()
    environ = loa.environ | OURS | {"LOA_ZALO_OA_SECRET": secret, "PYTHONPATH": str(ROOT)}
    service = Service("zalo-webhook", loa.folder, environ, command)
    try:
        loa.sandbox("webhook", {"url": f"{service.url}/zalo/webhook"})
        yield service.process
    finally:
        service.kill()


def test_an_event_is_there_once_although_its_process_died_before_it_could_answer(tmp_path):
    with LoaProcess(tmp_path) as loa:
        with hearing(loa, "zalo.event_stored") as process:
            user_id = written_by(loa)
            assert process.wait(90) == -9
            [event] = wait_until(lambda: retried(loa, "user_send_text"), "a retry")
            assert event["sender"]["id"] == user_id
        wait_until(lambda: replies(loa, user_id), "the stored event to be acted upon")
        with hearing(loa):
            later(loa, 31)
            wait_until(lambda: not retried(loa, "user_send_text"), "Zalo's retry")
        stored = loa.cli("zalo", "followers", "--json").json
        assert stored["unknown"] + stored["followers"] == 1
        assert inbound(loa, user_id) == 1
        assert len(replies(loa, user_id)) == 1


def inbound(loa, user_id: str) -> int:
    """How often the message lies on the bus."""

    async def count() -> int:
        async with await Bus.connect(loa.ready().nats_url) as bus:
            found = [one async for one in bus.scan("RECEIPTS", "receipt.zalo.inbound")]
        return sum(user_id.encode() in one.data for one in found)

    return asyncio.run(count())
