"""Damage to the bus is seen; kills, stops and restores are no damage."""

import asyncio
import shutil

import pytest

from producers.bus import Bus
from tests.support.loa_process import LoaProcess


def vandalise(loa, *calls, **updates):
    """API calls to the bus of a running Loa, and changes of streams' settings."""

    async def act():
        async with await Bus.connect(loa.ready().nats_url) as bus:
            for call in calls:
                await bus.connection.api_request(call)
            for stream, update in updates.items():
                config = (await bus.stream_info(stream))["config"] | update
                await bus.connection.api_request(f"STREAM.UPDATE.{stream}", config)

    asyncio.run(act())


def readyz(loa):
    return loa.request("/readyz").body


@pytest.fixture
def loa(tmp_path):
    loa = LoaProcess(tmp_path)
    with loa:
        loa.add_unit()
        loa.readers(3)
        loa.publish("tin-1", "portal")
        loa.stop()  # the anchor is renewed
        loa.start()
        yield loa


def test_kills_stops_and_a_restore_are_no_damage(loa, tmp_path):
    assert len(loa.logged("bus_state_first")) == 1
    for _ in range(3):
        loa.kill()
        loa.start()
        loa.publish(f"tin-{len(loa.logged('ready'))}", "portal")
    loa.stop()
    loa.start()
    assert "damaged" not in readyz(loa)
    assert len(loa.logged("bus_state_first")) == 1
    saved = loa.cli("backup", tmp_path / "saved")
    assert saved.exit_code == 0, saved.err
    loa.publish("tin-sau-sao-luu", "portal")
    loa.stop()
    shutil.rmtree(loa.data / "nats")
    restored = loa.cli("restore", tmp_path / "saved", "--moved")
    assert restored.exit_code == 0, restored.err
    loa.start()
    assert "damaged" not in readyz(loa)
    assert loa.logged("bus_damaged") == []
    verified = loa.cli("audit", "verify", "--json")
    assert verified.json["ok"], verified


def test_a_purge_and_a_deletion_are_named_until_an_operator_accepts_them(loa):
    vandalise(loa, "STREAM.PURGE.KV_subscribers", "STREAM.DELETE.KV_vault")
    body = readyz(loa)
    assert body["status"] == "failing" and "KV_vault" in body["failing"]["bus"]
    status = loa.cli("status")
    assert status.exit_code == 3 and "KV_vault" in status.err
    assert loa.cli("check").exit_code == 1
    loa.kill()
    loa.start()
    body = readyz(loa)
    assert body["status"] == "degraded"
    assert {"KV_subscribers", "KV_vault"} <= set(body["damaged"])
    named = {one["stream"] for one in loa.logged("bus_damaged")}
    assert {"KV_subscribers", "KV_vault"} <= named
    accepted = loa.cli("audit", "accept", "--by", "An", "--reason", "thử", "--yes", "--json")
    assert accepted.exit_code == 0, accepted
    loa.stop()
    loa.start()
    assert "damaged" not in readyz(loa)


def test_a_setting_that_copies_or_drops_is_set_back_at_the_next_start(loa):
    vandalise(
        loa,
        KV_subscribers={"republish": {"src": ">", "dest": "copy.>"}},
        CONTENT={"max_msgs": 1, "discard": "old"},
    )
    assert loa.cli("check").exit_code == 1
    loa.stop()
    loa.start()
    reset = {one["stream"]: one["settings"] for one in loa.logged("stream_settings_reset")}
    assert reset == {"KV_subscribers": ["republish"], "CONTENT": ["max_msgs"]}
    assert "damaged" not in readyz(loa)
