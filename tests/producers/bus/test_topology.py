"""The topology on a real server: created, extended, never shrunk; and servers that are unfit."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import structlog

from contracts import subjects
from producers.bus import Bus, BusError, ForeignSettings, NoReply, UnfitServer, topology
from producers.bus.server_check import ServerReport, check_reports, check_version
from tests.support.nats_accounts import ACCOUNTS

STREAMS = {stream.name for stream in subjects.STREAMS}
BUCKETS = {f"KV_{bucket.name}" for bucket in subjects.BUCKETS}


async def configs(bus):
    names = (await bus.connection.api_request("STREAM.NAMES"))["streams"]
    return {name: (await bus.stream_info(name))["config"] for name in names}


async def test_everything_the_contract_names_exists(bus):
    found = await configs(bus)
    assert set(found) == STREAMS | BUCKETS
    for stream in subjects.STREAMS:
        for consumer in stream.consumers:
            info = await bus.consumer_info(stream.name, consumer.durable)
            assert info["config"]["ack_policy"] == "explicit"
            assert info["config"]["max_ack_pending"] == consumer.max_ack_pending


@pytest.mark.promise("12.2")
async def test_limits_ages_and_rights_are_those_of_the_contract(bus):
    """Only DELIVER drops messages, because the sweeper replaces a wake-up.

    Only personal data and sessions are forgotten; publishers' headers touch no stream of events.
    """
    found = await configs(bus)
    for config in found.values():
        assert (config["storage"], config["max_bytes"] > 0) == ("file", True)
    dropping = {name for name, config in found.items() if config["discard"] != "new"}
    assert dropping == {subjects.DELIVER.name}
    atomic = {name for name, config in found.items() if config.get("allow_atomic")}
    assert atomic == {f"KV_{bucket.name}" for bucket in subjects.BUCKETS if bucket.is_atomic}
    day = timedelta(days=1) // timedelta(microseconds=1) * 1000
    month = 30 * day
    ages = {name: config["max_age"] for name, config in found.items() if config["max_age"]}
    short = {"KV_sessions": day, "KV_kept_texts": 14 * day, "KV_trials": month}
    told = {"STATUS": month, "CALLBACKS": month}
    assert ages == {"RECEIPTS": month, "KV_notices": month, **told, **short}
    assert found["KV_notices"]["max_bytes"] / 30 / 600 > 400_000, "room for a month of notices"
    rights = ("allow_rollup_hdrs", "allow_msg_ttl", "allow_msg_schedules", "allow_atomic")
    for stream in (subjects.CONTENT, subjects.PUBLICATIONS):
        assert not any(found[stream.name].get(right) for right in rights)


@pytest.mark.promise("12.2")
@pytest.mark.parametrize(("before_d", "after_d"), [(0, 30), (7, 7), (30, 30), (90, 90)])
async def test_an_older_stream_forgets_too_and_an_age_that_was_set_stays(bus, before_d, after_d):
    found = (await bus.stream_info("RECEIPTS"))["config"]
    younger = found | {"max_age": before_d * 86400 * 10**9}
    await bus.connection.repeatable_api_request("STREAM.UPDATE.RECEIPTS", younger)
    await topology.apply(bus)
    age = (await bus.stream_info("RECEIPTS"))["config"]["max_age"]
    assert age == after_d * 86400 * 10**9


async def test_applying_twice_changes_nothing(bus):
    before = await configs(bus)
    await bus.publish("dead.intake", b"x")
    await topology.apply(bus)
    assert await configs(bus) == before
    assert (await bus.stream_info("DEAD"))["state"]["messages"] == 1


async def test_two_processes_may_apply_at_once(bus):
    gone = STREAMS | BUCKETS - {"KV_units"}  # see conftest.renew
    await asyncio.gather(*(bus.connection.api_request(f"STREAM.DELETE.{name}") for name in gone))
    await asyncio.gather(topology.apply(bus), topology.apply(bus))
    assert set(await configs(bus)) == STREAMS | BUCKETS


async def test_what_an_operator_enlarged_stays_large(bus):
    config = (await bus.stream_info("DEAD"))["config"]
    larger = config | {"max_bytes": 5 << 30, "duplicate_window": 600 * 10**9, "description": "ops"}
    await bus.connection.api_request("STREAM.UPDATE.DEAD", larger)
    await topology.apply(bus)
    found = (await bus.stream_info("DEAD"))["config"]
    assert (found["max_bytes"], found["duplicate_window"]) == (5 << 30, 600 * 10**9)
    assert found["description"] == "ops"


async def test_what_is_too_small_is_extended_and_keeps_its_messages(bus, monkeypatch):
    await bus.publish("dead.intake", b"x")
    wider = replace(
        subjects.DEAD, max_bytes=3 << 30, subjects=("dead.*", "buried.*"), has_schedules=False
    )
    streams = tuple(wider if s.name == "DEAD" else s for s in subjects.STREAMS)
    monkeypatch.setattr(topology, "STREAMS", streams)
    await topology.apply(bus)
    config = (await bus.stream_info("DEAD"))["config"]
    assert config["max_bytes"] == 3 << 30
    assert config["subjects"] == ["dead.*", "buried.*"]
    assert [m.data async for m in bus.scan("DEAD")] == [b"x"]


async def test_a_stream_that_dropped_what_is_old_refuses_from_now_on(bus):
    config = (await bus.stream_info("DEAD"))["config"]
    await bus.connection.api_request("STREAM.UPDATE.DEAD", config | {"discard": "old"})
    await topology.apply(bus)
    assert (await bus.stream_info("DEAD"))["config"]["discard"] == "new"


async def test_a_stream_that_is_held_in_memory_only_is_refused(bus):
    await bus.connection.api_request("STREAM.DELETE.DEAD")
    await bus.connection.api_request("STREAM.CREATE.DEAD", {"name": "DEAD", "storage": "memory"})
    with pytest.raises(BusError, match="storage"):
        await topology.apply(bus)


FOREIGN_SETTINGS = [
    ("KV_subscribers", {"republish": {"src": ">", "dest": "copy.>"}}),
    ("KV_ledger", {"max_msgs": 1}),
    ("KV_ledger", {"max_msgs_per_subject": 5}),
    ("CONTENT", {"max_msgs_per_subject": 1}),
    ("CONTENT", {"discard": "old", "max_msgs": 2}),
    ("CONTENT", {"subjects": ["content.*.*", "case.*.updated", "foreign.>"]}),
    ("CONTENT", {"no_ack": True}),
    ("CONTENT", {"allow_rollup_hdrs": True}),
    ("CONTENT", {"max_bytes": 1 << 20, "max_msg_size": 1 << 10}),
    ("PUBLICATIONS", {"max_age": 3600 * 10**9}),
    ("PUBLICATIONS", {"subject_transform": {"src": "publication.>", "dest": "x.>"}}),
    ("PUBLICATIONS", {"sources": [{"name": "OPINIONS"}]}),
    ("OPINIONS", {"max_consumers": 5}),
    ("OPINIONS", {"consumer_limits": {"max_ack_pending": 1}}),
]


async def test_a_right_that_a_later_version_needs_is_given_without_an_alarm(bus):
    name = f"KV_{subjects.LEDGER.name}"
    before = (await bus.stream_info(name))["config"] | {"allow_atomic": False}
    await bus.connection.api_request(f"STREAM.UPDATE.{name}", before)
    with structlog.testing.capture_logs() as logs:
        await topology.apply(bus)
    assert (await bus.stream_info(name))["config"]["allow_atomic"]
    assert [(one["event"], one["log_level"]) for one in logs] == [("stream_updated", "info")]


@pytest.mark.promise("11.3")
async def test_a_start_takes_no_right_away_that_a_later_version_has_given(bus):
    name = "KV_units"
    later = (await bus.stream_info(name))["config"] | {"allow_atomic": True, "allow_batched": True}
    await bus.connection.api_request(f"STREAM.UPDATE.{name}", later)
    await topology.apply(bus)
    after = (await bus.stream_info(name))["config"]
    assert (after["allow_atomic"], after["allow_batched"]) == (True, True)


@pytest.mark.parametrize(("stream", "foreign"), FOREIGN_SETTINGS)
async def test_a_setting_that_loses_or_leaks_messages_is_set_back(bus, stream, foreign):
    before = (await bus.stream_info(stream))["config"]
    await bus.connection.api_request(f"STREAM.UPDATE.{stream}", before | foreign)
    wanted = topology.wanted_configs()[stream]
    changed = (await bus.stream_info(stream))["config"]
    assert set(topology.changed_settings(changed, wanted)) == set(foreign)
    await topology.apply(bus)
    after = (await bus.stream_info(stream))["config"]
    assert topology.changed_settings(after, wanted) == []
    assert {name: after.get(name) for name in foreign} == {n: before.get(n) for n in foreign}


@pytest.mark.parametrize(
    ("stream", "foreign", "setting"),
    [
        ("OPINIONS", {"storage": "memory"}, "storage"),
        ("OPINIONS", {"retention": "workqueue"}, "retention"),
        ("OPINIONS", {"allow_msg_ttl": True}, "allow_msg_ttl"),
        ("OPINIONS", {"sealed": True}, "sealed"),
        ("OPINIONS", {"deny_purge": True}, "deny_purge"),
    ],
)
async def test_a_setting_that_can_not_be_set_back_is_refused_by_name(bus, stream, foreign, setting):
    config = topology.wanted_configs()[stream] | foreign
    is_sealed = config.pop("sealed", False)
    await bus.connection.api_request(f"STREAM.DELETE.{stream}")
    await bus.connection.api_request(f"STREAM.CREATE.{stream}", config)
    if is_sealed:
        sealed = (await bus.stream_info(stream))["config"] | {"sealed": True}
        await bus.connection.api_request(f"STREAM.UPDATE.{stream}", sealed)
    with pytest.raises(ForeignSettings) as refused:
        await topology.apply(bus)
    assert refused.value.stream == stream
    assert setting in refused.value.settings


async def test_a_stream_that_moves_for_long_is_no_foreign_setting(bus, monkeypatch):
    ask = bus.connection.repeatable_api_request

    async def moving(call, *rest, **options):
        if call.startswith("STREAM.UPDATE."):
            raise BusError("stream move already in progress", 10124)
        return await ask(call, *rest, **options)

    monkeypatch.setattr(topology, "_MOVE_PATIENCE_S", 0.0)
    monkeypatch.setattr(bus.connection, "repeatable_api_request", moving)
    bus.placement_tags = ("disk:ssd",)
    with pytest.raises(NoReply, match="still moves to other servers"):
        await topology.apply(bus)


async def test_a_foreign_copy_of_a_bucket_ends_at_the_next_start_and_readers_stay(bus):
    push = {"durable_name": "copy", "deliver_subject": "copy.here", "ack_policy": "none"}
    for stream in ("KV_subscribers", "CONTENT", "PUBLICATIONS"):
        query = {"stream_name": stream, "config": push}
        await bus.connection.api_request(f"CONSUMER.DURABLE.CREATE.{stream}.copy", query)
    watched = bus.bucket("subscribers").watch(1)
    following = asyncio.ensure_future(anext(aiter(watched)))
    await asyncio.sleep(0)
    await topology.apply(bus)
    for stream in ("KV_subscribers", "CONTENT"):
        with pytest.raises(BusError):
            await bus.consumer_info(stream, "copy")
    assert await bus.consumer_info("PUBLICATIONS", "copy")
    await bus.bucket("subscribers").put("a", b"1")
    assert (await following).key == "a"


@pytest.mark.parametrize("foreign", [{"max_deliver": 1}, {"headers_only": True}])
async def test_a_consumer_that_would_lose_messages_is_set_back(bus, foreign):
    config = (await bus.consumer_info("CONTENT", subjects.INTAKE))["config"] | foreign
    query = {"stream_name": "CONTENT", "config": config, "action": "update"}
    await bus.connection.api_request(f"CONSUMER.CREATE.CONTENT.{subjects.INTAKE}", query)
    await topology.apply(bus)
    after = (await bus.consumer_info("CONTENT", subjects.INTAKE))["config"]
    assert [after.get(name) for name in foreign] in ([-1], [None])


async def test_a_consumer_that_was_paused_on_the_bus_goes_on(bus):
    until = {"pause_until": "2099-01-01T00:00:00Z"}
    await bus.connection.api_request(f"CONSUMER.PAUSE.CONTENT.{subjects.INTAKE}", until)
    await topology.apply(bus)
    assert not (await bus.consumer_info("CONTENT", subjects.INTAKE)).get("paused")


async def test_a_consumers_patience_follows_the_contract(bus, monkeypatch):
    slower = subjects.ConsumerSpec(subjects.INTAKE, ">", timedelta(seconds=90), max_ack_pending=7)
    others = [c for c in subjects.CONTENT.consumers if c.durable != subjects.INTAKE]
    changed = replace(subjects.CONTENT, consumers=(slower, *others))
    monkeypatch.setattr(topology, "STREAMS", (changed, *subjects.STREAMS[1:]))
    await topology.apply(bus)
    config = (await bus.consumer_info("CONTENT", subjects.INTAKE))["config"]
    assert (config["ack_wait"], config["max_ack_pending"]) == (90 * 10**9, 7)


@pytest.mark.parametrize(
    ("found", "wanted", "kept"),
    [(-1, 5, -1), (5, -1, -1), (5, 7, 7), (7, 5, 7), (0, 5, 0), (5, 0, 0)],
)
def test_no_limit_is_larger_than_any_limit(found, wanted, kept):
    present, config = ({"max_bytes": size, "subjects": []} for size in (found, wanted))
    assert topology.extended_config(present, config)["max_bytes"] == kept


async def test_our_own_server_is_fit(bus, nats_server):
    await topology.verify(bus, [nats_server.monitor_url])


async def test_a_server_that_hides_its_settings_is_unfit(other_server):
    with other_server("jetstream { store_dir: STORE, sync_interval: always }") as other:
        async with await Bus.connect(other.url) as bus:
            with pytest.raises(UnfitServer, match="monitoring addresses"):
                await topology.verify(bus)


@pytest.mark.promise("1.2")
async def test_a_server_that_acknowledges_before_its_disk_is_unfit(other_server):
    with other_server("jetstream { store_dir: STORE, sync_interval: 1m }") as other:
        async with await Bus.connect(other.url) as bus:
            with pytest.raises(UnfitServer, match="sync_interval is not always"):
                await topology.verify(bus, [other.monitor_url])


async def test_another_servers_monitoring_address_proves_nothing(bus, other_server):
    settings = "jetstream { store_dir: STORE, sync_interval: always }"
    with other_server(settings) as other, pytest.raises(UnfitServer, match="other servers"):
        await topology.verify(bus, [other.monitor_url])


async def test_a_server_without_jetstream_is_unfit(other_server):
    with other_server("") as other:
        async with await Bus.connect(other.url) as bus:
            with pytest.raises(UnfitServer, match="no server has JetStream"):
                await topology.verify(bus, [other.monitor_url])


@pytest.mark.parametrize(("interval", "fit"), [("always", True), ("1m", False)])
async def test_settings_can_be_asked_over_the_bus_where_allowed(other_server, interval, fit):
    jetstream = f"jetstream {{ store_dir: STORE, sync_interval: {interval} }}"
    with other_server(jetstream + ACCOUNTS) as other:
        url = other.url.replace("nats://", "nats://loa:loa@")
        async with await Bus.connect(url) as bus:
            if fit:
                await topology.verify(bus)
                return
            with pytest.raises(UnfitServer, match="sync_interval is not always"):
                await topology.verify(bus)


def test_an_old_server_is_unfit():
    for version in ("2.13.9", "2.9.30", "1.4.0"):
        with pytest.raises(UnfitServer, match="is older than"):
            check_version(version)
    for version in ("2.14.0", "2.15.1", "2.14.0-beta.1", "3.0.0"):
        check_version(version)


def test_one_lazy_or_old_server_makes_a_cluster_unfit():
    good = ServerReport("A", "2.15.1", True)
    check_reports("A", [good, ServerReport("B", "2.15.1", True), ServerReport("C", "2.15.1", None)])
    for bad in (ServerReport("B", "2.15.1", False), ServerReport("B", "2.10.0", True)):
        with pytest.raises(UnfitServer):
            check_reports("A", [good, bad])


async def test_schedules_that_nothing_fires_are_left_to_the_sweep_and_do_not_end_an_apply(bus):
    """The step-down is refused, as by a server that has lost the others."""
    with structlog.testing.capture_logs() as logs:
        await topology._fire_missed_schedules(bus, {"name": "GONE", "num_replicas": 3})
    [told] = logs
    assert (told["event"], told["stream"]) == ("schedules_left_to_sweep", "GONE")
