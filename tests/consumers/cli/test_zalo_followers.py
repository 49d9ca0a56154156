"""`loa zalo followers`, `loa zalo suppressed`, and what `loa zalo status` says of the webhook."""

import json
from datetime import UTC, datetime

import pytest

from channels.zalo.webhook.events import EventKind, ZaloEvent
from consumers.key_file import open_key_file
from consumers.suppression.store import SuppressionStore
from consumers.zalo.event_publisher import ZaloEventPublisher
from contracts.delivery import ChannelName
from tests.support.cli import json_output
from tests.support.zalo_cli import environment
from tests.support.zalo_webhook import PHONE, USER


@pytest.fixture
async def loa(loa, sandbox):
    """`loa zalo ...`, connected to the sandbox."""
    loa = loa.extended("zalo", **environment(sandbox))
    pair = sandbox.grant()
    said = json.dumps({"access_token": pair.access_token, "refresh_token": "r"})
    assert (await loa("connect", "-", stdin=said)).exit_code == 0
    return loa


async def counted(loa, *options):
    told = await loa("followers", "--json", *options)
    assert told.exit_code == 0, told.output
    return json_output(told)


def populate(sandbox, count, *, follower=True, first=10**18):
    for number in range(count):
        person = {"user_id": str(first + number), "follower": follower}
        sandbox.world.record("person_set", person=person)


async def test_zalos_list_is_walked_when_somebody_asks_for_it(loa, sandbox, reported):
    assert await counted(loa) == {
        "followers": 0, "left": 0, "unknown": 0, "within_reach": 0, "suppressed": 0,
        "listed": None, "reached": None, "walk_began": None, "walk_ended": None,
    }  # fmt: skip
    populate(sandbox, 120)
    populate(sandbox, 7, follower=False, first=2 * 10**18)
    found = await counted(loa, "--sync")
    assert (found["followers"], found["listed"], found["reached"]) == (120, 120, 120)
    assert found["walk_ended"] > found["walk_began"]
    sandbox.world.record("unfollowed", user_id=str(10**18))
    assert (await counted(loa))["followers"] == 120, "without --sync nobody asks Zalo"
    again = await counted(loa, "--sync")
    assert (again["followers"], again["left"]) == (119, 1)
    assert reported == [], "scripts see no bar"
    table = (await loa("followers", "--sync")).stdout
    assert "within reach" in table and "119" in table
    assert set(reported) == {"followers", "addresses"}
    [ended] = [line.split(maxsplit=2)[2] for line in table.splitlines() if "walk ended" in line]
    assert ended.strip().endswith("+07")


async def test_a_refusal_of_zalos_is_told_in_both_languages(loa, sandbox):
    world = sandbox.world
    world.rules = world.rules.model_copy(update={"free_package": True})
    told = await loa("followers", "--sync")
    assert told.exit_code == 2
    assert "-224" in told.stderr and "người quan tâm" in told.stderr


async def test_without_an_app_there_is_nobody_to_ask_and_still_something_to_count(loa):
    assert (await loa("followers", "--sync", LOA_ZALO_APP_ID="")).exit_code == 2
    assert (await loa("followers", LOA_ZALO_APP_ID="")).exit_code == 0


async def test_an_address_is_let_go_by_whoever_knows_it(loa, bus, tmp_path):
    registry = SuppressionStore.from_key_file(bus, await open_key_file(bus, tmp_path / "vault.key"))
    for address in (PHONE, f"zalo:{USER}"):
        await registry.add(ChannelName.ZALO, address, "blocked", None)
    assert (await counted(loa))["suppressed"] == 2
    assert (await loa("suppressed", "lift", PHONE, "--by", " ")).exit_code == 2
    lifted = await loa("suppressed", "lift", PHONE, "--by", "Trần Thị Bình", "--json")
    assert json_output(lifted) == {"channel": "zalo", "lifted": True}
    told = await loa("suppressed", "lift", PHONE, "--by", "Trần Thị Bình")
    assert (told.exit_code, "không bị ngừng gửi" in told.stderr) == (2, True)
    free = await loa("suppressed", "show", PHONE)
    assert (free.exit_code, "không bị ngừng gửi" in free.stdout) == (0, True)
    assert (await counted(loa))["suppressed"] == 1


async def test_the_status_tells_when_the_webhook_last_heard_something(loa, bus):
    assert "none yet" in (await loa("status")).stdout
    event = ZaloEvent(kind=EventKind.FOLLOW, key="k", at=datetime.now(UTC), user_id=USER)
    await ZaloEventPublisher(bus).publish(event)
    told, said = await loa("status"), await loa("status", "--json")
    assert "none yet" not in told.stdout
    heard_at = json_output(said)["last_event_at"]
    assert abs(heard_at - datetime.now(UTC).timestamp()) < 60
