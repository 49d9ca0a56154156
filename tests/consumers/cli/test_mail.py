"""`loa mail suppressed`, `loa mail brakes`, and what `loa status` says of mail."""

from datetime import UTC, datetime, timedelta

import pytest

from consumers.email import bounce_stops
from consumers.email.policy import slow_down
from consumers.key_file import open_key_file
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.store import Ledger
from consumers.suppression.store import SuppressionStore
from contracts.delivery import ChannelName, PlanKey
from tests.support.cli import json_output

EMAIL = ChannelName.EMAIL
GONE, ANGRY = "gone@example.com", "angry@example.com"
NOTHING = [
    "address: nothing stands against this address",
    "address: địa chỉ này không bị ngừng gửi",
]


@pytest.fixture
async def suppressions(bus, tmp_path):
    return SuppressionStore.from_key_file(bus, await open_key_file(bus, tmp_path / "vault.key"))


async def test_who_is_left_alone_is_counted_shown_by_address_and_lifted(loa, suppressions):
    until = datetime.now(UTC) + timedelta(days=1)
    await suppressions.add(EMAIL, GONE, "bounced 5.1.1", until)
    await suppressions.add(EMAIL, ANGRY, "complaint", None)
    full = suppressions.hash_address("full@example.com")
    await suppressions.count_soft_failure(EMAIL, full, "x", datetime.now(UTC))
    listed = await loa("mail", "suppressed", "list", "--json")
    reasons = {"bounced 5.1.1": 1, "complaint": 1}
    assert json_output(listed) == {"suppressed": 2, "reasons": reasons}
    assert "example.com" not in (await loa("mail", "suppressed", "list")).output
    shown = await loa("mail", "suppressed", "show", GONE.upper())
    assert (shown.exit_code, f"{until:%Y-%m-%d}" in shown.stdout) == (0, True)
    assert "5.1.1" in shown.stdout
    assert "until a person" in (await loa("mail", "suppressed", "show", ANGRY)).stdout
    free = await loa("mail", "suppressed", "show", "new@example.com")
    assert (free.exit_code, free.stdout.splitlines()[-2:]) == (0, NOTHING)
    free = await loa("mail", "suppressed", "show", "new@example.com", "--json")
    assert (free.exit_code, json_output(free)) == (0, None)
    assert (await loa("mail", "suppressed", "show", "no address")).exit_code == 2


async def test_an_address_is_lifted_by_somebody_with_a_name(loa, suppressions):
    await suppressions.add(EMAIL, GONE, "bounced 5.1.1", None)
    order = ("mail", "suppressed", "lift", GONE, "--by")
    assert (await loa(*order, " ")).exit_code == 2
    lifted = json_output(await loa(*order, "Trần Thị Bình", "--json"))
    assert lifted == {"channel": "email", "lifted": True}
    assert await suppressions.reason(EMAIL, GONE) is None
    said = await suppressions.find(suppressions.key_of_address(EMAIL, GONE))
    assert "Trần Thị Bình" in said.reason
    assert (await loa(*order, "Trần Thị Bình")).exit_code == 2


async def test_a_stopped_publication_is_shown_and_let_go_on(loa, bus):
    plan = PlanKey(EMAIL, "tin-moi", 2)
    clock = datetime.now(UTC).timestamp
    verdict = {"at": clock(), "mails": 2000, "failed": 260}
    await bounce_stops.apply_verdict(bus, plan, bounce_stops.BounceStop(state="stopped", **verdict))
    await bounce_stops.apply_verdict(
        bus, plan._replace(revision=1), bounce_stops.BounceStop(state="warned", **verdict)
    )
    await slow_down(bus, "4.7.0", clock())
    told = json_output(await loa("status", "--json"))["channels"]["email"]
    assert (told["slowed"], told["slowed_reason"], told["stopped"]) == (1, "4.7.0", [str(plan)])
    told = (await loa("status")).stdout
    assert "slowed down, level 1" in told
    assert "\nversions: loa " in told and "\nphiên bản: loa " in told
    assert "13" in (await loa("mail", "brakes", "list")).stdout.split()
    assert (await loa("mail", "brakes", "release", "--yes", "tin-moi", "--by", " ")).exit_code == 2
    done = await loa("mail", "brakes", "release", "--yes", "tin-moi", "--by", "Trần Thị Bình")
    assert (done.exit_code, done.stdout.splitlines()[-2:]) == (0, ["goes on", "tiếp tục gửi"])
    found = json_output(await loa("mail", "brakes", "list", "--json"))
    states = {name: (one["state"], one["by"]) for name, one in found["plans"].items()}
    assert states == {
        "email.tin-moi.2": ("released", "Trần Thị Bình"),
        "email.tin-moi.1": ("warned", ""),
    }
    again = await loa("mail", "brakes", "release", "--yes", "tin-moi", "--by", "Trần Thị Bình")
    assert again.exit_code == 2


async def test_what_was_withdrawn_is_no_alarm_and_nothing_to_decide(loa, bus):
    plan, clock = PlanKey(EMAIL, "tin-cu", 1), datetime.now(UTC).timestamp
    stop = bounce_stops.BounceStop(state="stopped", at=clock(), mails=2000, failed=260)
    await bounce_stops.apply_verdict(bus, plan, stop)
    await Ledger(bus).create_plan(plan, PlanCursor(halt="w2", created=clock()))
    told = json_output(await loa("status", "--json"))["channels"]["email"]
    assert told["stopped"] == []
    assert "ended" in (await loa("mail", "brakes", "list")).stdout.split()
    done = await loa("mail", "brakes", "release", "--yes", "tin-cu", "--by", "Trần Thị Bình")
    assert done.exit_code == 2


async def test_mail_in_doubt_is_compared_with_logs_and_no_time_without_a_restore(loa, tmp_path):
    logs = tmp_path / "mail.log"
    logs.write_text("")
    compared = await loa("mail", "reconcile", str(logs), "--by", "An", "--json")
    assert json_output(compared) == {"in_logs": 0, "delivered": 0, "not_sent": 0}
    said = await loa("mail", "reconcile", str(logs), "--by", "An", "--complete-since", "2026-11-25")
    assert (said.exit_code, "complete-since: " in said.output) == (2, True)
