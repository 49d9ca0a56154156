"""Apply `contracts.subjects` to the server: streams, consumers and buckets."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from contracts.base.crash_points import crash_point
from contracts.subjects import (
    ALL_INBOUND,
    BUCKETS,
    EDITORIAL,
    FORMER_BUCKETS,
    STREAMS,
    BucketSpec,
    ConsumerSpec,
    StreamSpec,
    inbound_stream,
    unit_of_inbound,
)
from producers.bus.bus import Bus
from producers.bus.errors import BusError, ForeignSettings, NoReply, TooFewServers, UnfitServer
from producers.bus.server_check import verify

__all__ = ["apply", "verify"]

Config = dict[str, Any]

_NO_STREAM_CODE = 10059
NO_CONSUMER_CODE = 10014
_TOO_FEW_SERVERS_CODES = (10005, 10074)  # no suitable peers, no cluster
_MOVING_CODES = (10124, 10226)  # the stream moves, or gets other replicas
_MOVE_PATIENCE_S, _MOVE_POLL_S = 60.0, 0.5
RESTORING_STREAM = "RESTORING"
"""A stream that exists while a restore is incomplete."""
_START_KEYS = ("deliver_policy", "opt_start_seq")  # immutable after creation
_SIZE_KEYS = ("max_bytes", "max_msg_size")  # -1 means "no limit"
_GUARDED_STREAM_KEYS = (
    *("mirror", "sources", "republish", "subject_transform"),
    *("max_msgs", "max_msgs_per_subject", "max_consumers", "discard_new_per_subject"),
    *("no_ack", "sealed", "persist_mode", "consumer_limits", "subject_delete_marker_ttl"),
    *("allow_rollup_hdrs", "allow_msg_ttl", "allow_msg_counter", "allow_msg_schedules"),
)
"""Settings that copy, drop, replace or refuse messages: no operator has a reason to change them.

To write several messages at once (`allow_atomic`, `allow_batched`) does none of that: such a right
stays where it is found, because a later version on the same bus may need it.
"""
_GUARDED_CONSUMER_KEYS = (
    *("deliver_subject", "deliver_group", "filter_subject", "filter_subjects", "headers_only"),
    *("max_deliver", "backoff", "inactive_threshold", "mem_storage", "rate_limit_bps"),
    *("max_batch", "max_expires", "max_bytes", "priority_groups", "priority_policy"),
    *("priority_timeout", "pause_until"),
)
_UNSET: tuple[Any, ...] = (None, False, 0, -1, "", [], {})
"""Ways to say that a setting has no value; the server leaves some of them out."""
FORMER_KEPT = timedelta(days=1)
"""How long a former bucket stays after this version's first start, and after the last write to it:
an earlier version may still run on another machine."""
_PUBLIC_STREAMS = ("PUBLICATIONS",)
"""Streams that other systems may read with consumers of their own."""

log = structlog.get_logger()


async def apply(bus: Bus, units: Iterable[str] = ()) -> None:
    """Create missing objects, extend small ones, set back foreign settings; remove no message.

    An empty bucket of an earlier version is deleted, a day after its last use.

    *units* get an inbound stream each, if they have none. Every stream gets `bus.replicas`, or
    keeps the more that it has; its consumers have as many. Raises ForeignSettings for a setting
    that can't be set back, TooFewServers, and UnfitServer after an interrupted restore.
    """
    if await stream_exists(bus, RESTORING_STREAM):
        raise UnfitServer("a restore was cut short: repeat it with `loa restore`")
    present = map(unit_of_inbound, await inbound_stream_names(bus))
    known = sorted({*units, *present})
    wanted = wanted_configs(known).values()
    await asyncio.gather(*(_ensure_stream(bus, one | placement(bus)) for one in wanted))
    streams = (*STREAMS, *map(inbound_stream, known))
    pairs = [(stream, one) for stream in streams for one in stream.consumers]
    await asyncio.gather(*(_ensure_consumer(bus, *pair) for pair in pairs))
    for bucket in FORMER_BUCKETS:
        await _end_former(bus, bucket)


def placement(bus: Bus) -> Config:
    """The settings that tell which servers of a cluster keep a stream that *bus* makes."""
    tags = {"placement": {"tags": list(bus.placement_tags)}} if bus.placement_tags else {}
    return {"num_replicas": bus.replicas} | tags


def wanted_configs(units: Iterable[str] = ()) -> dict[str, Config]:
    """The config of every stream and bucket, and of *units*' inbound streams, by stream.

    On one server; see `placement`.
    """
    wanted = [_stream_config(stream) for stream in (*STREAMS, *map(inbound_stream, units))]
    wanted += [_bucket_config(bucket) for bucket in BUCKETS]
    return {config["name"]: config | {"num_replicas": 1} for config in wanted}


async def apply_ages(bus: Bus, ages: Mapping[str, timedelta]) -> None:
    """Let streams forget what is older: exactly these ages, shorter or longer than before."""
    for name, age in ages.items():
        info = await _stream_info(bus, name)
        if info and age_of(info["config"]) != age:
            wanted = info["config"] | {"max_age": _nanoseconds(age)}
            await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{name}", wanted)
            log.warning("stream_age_changed", stream=name, days=age.total_seconds() / 86400)


async def reduce_replicas(bus: Bus) -> int:
    """Take away what streams have beyond `bus.replicas`; return the number of changed streams."""
    infos = await stream_infos(bus) | await inbound_infos(bus)
    changed = [one for one in infos.values() if one["config"]["num_replicas"] > bus.replicas]
    for info in changed:
        config = info["config"] | {"num_replicas": bus.replicas}
        await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{config['name']}", config)
        log.warning("stream_replicas_reduced", stream=config["name"], replicas=bus.replicas)
    return len(changed)


CUT_PATIENCE_S = 2.0
"""How long a writer waits for the end of `remove_oldest`, which may have been killed."""


async def remove_oldest(bus: Bus, name: str, last: int) -> None:
    """Remove the messages up to *last* from a protected stream with one subject.

    The server removes none on request, so a limit on their number is set for a moment. Before that
    is counted, another one refuses new messages, each of which would push out one more; a writer
    that waits `CUT_PATIENCE_S` may end that by `lift_limit`.
    """
    closed = (await bus.stream_info(name))["config"] | {"max_msgs": 1}  # "new" is discarded
    await bus.connection.api_request(f"STREAM.UPDATE.{name}", closed)
    left = (await bus.stream_info(name))["state"]["last_seq"] - last
    limit = {"max_msgs_per_subject": left, "discard_new_per_subject": True}
    await bus.connection.api_request(f"STREAM.UPDATE.{name}", closed | limit)
    crash_point("audit.cut")
    await lift_limit(bus, name)


async def lift_limit(bus: Bus, name: str) -> bool:
    """Take away the limits of `remove_oldest`, also after a crash; False without any."""
    config = (await bus.stream_info(name))["config"]
    if config["max_msgs"] < 0:
        return False
    lifted = {"max_msgs": -1, "max_msgs_per_subject": -1, "discard_new_per_subject": False}
    await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{name}", config | lifted)
    return True


def age_of(config: Config) -> timedelta:
    """The age at which a stream forgets; zero means never."""
    return timedelta(microseconds=config["max_age"] / 1000)


def stream_names() -> list[str]:
    """The names of all streams that are the same everywhere, those of buckets included."""
    return [stream.name for stream in STREAMS] + [f"KV_{bucket.name}" for bucket in BUCKETS]


def former_names() -> list[str]:
    """The streams of buckets that an earlier version had."""
    return [f"KV_{bucket.name}" for bucket in FORMER_BUCKETS]


async def inbound_stream_names(bus: Bus) -> list[str]:
    """The names of the units' inbound streams that this server has."""
    names: list[str] = []
    while True:  # the server answers in pages
        query = {"subject": ALL_INBOUND, "offset": len(names)}
        reply = await bus.connection.repeatable_api_request("STREAM.NAMES", query)
        names += reply["streams"] or []
        if not reply["streams"] or len(names) >= reply["total"]:
            return sorted(name for name in names if unit_of_inbound(name))


async def stream_exists(bus: Bus, stream: str) -> bool:
    return await _stream_info(bus, stream) is not None


async def stream_infos(bus: Bus) -> dict[str, Config]:
    """The JetStream info of each stream of Loa that is there, by name. Raises BusError."""
    return await _infos_of(bus, stream_names(), {})


async def inbound_infos(bus: Bus) -> dict[str, Config]:
    """Like `stream_infos`, of the units' inbound streams."""
    names = await inbound_stream_names(bus)
    return await _infos_of(bus, names, {"subject": ALL_INBOUND}) if names else {}


async def led_infos(bus: Bus) -> dict[str, Config]:
    """Like `stream_infos` with `inbound_infos`, without what no server leads at present."""
    listed = await _list_streams(bus, {})
    names = stream_names() + sorted(filter(unit_of_inbound, listed))
    return {name: listed[name] for name in names if name in listed}


async def _infos_of(bus: Bus, names: Sequence[str], query: Config) -> dict[str, Config]:
    found = await _list_streams(bus, query)
    for name in set(names) - set(found):  # a cluster's list leaves out streams without a leader
        if info := await _stream_info(bus, name):
            found[name] = info
    return {name: found[name] for name in names if name in found}


async def _list_streams(bus: Bus, query: Config) -> dict[str, Config]:
    found, offset = dict[str, Config](), 0
    while True:
        page_of = query | {"offset": offset}
        answer = await bus.connection.repeatable_api_request("STREAM.LIST", page_of)
        page = answer["streams"] or []
        found |= {info["config"]["name"]: info for info in page}
        offset += len(page)
        if not page or offset >= answer.get("total", 0):
            return found


async def mark_restoring(bus: Bus) -> None:
    """Make `apply` refuse this bus until the mark is deleted."""
    own = {"name": RESTORING_STREAM, "subjects": ["restoring"], "max_bytes": 4096}
    await _create_stream(bus, _COMMON | own | placement(bus))


async def delete_stream(bus: Bus, stream: str) -> None:
    """Delete a stream with all its messages."""
    try:
        await bus.connection.repeatable_api_request(f"STREAM.DELETE.{stream}")
    except BusError as error:  # a repeat after NoReply
        if error.err_code != _NO_STREAM_CODE:
            raise


async def create_consumer_at(bus: Bus, stream: StreamSpec, spec: ConsumerSpec, seq: int) -> None:
    """Create a durable that starts at message *seq* instead of the first."""
    start = {"deliver_policy": "by_start_sequence", "opt_start_seq": seq}
    await _apply_consumer(bus, stream, consumer_config(spec) | start, "create")


def _stream_config(stream: StreamSpec) -> Config:
    """Config of a stream that refuses messages when it is full.

    JetStream cannot combine schedules with refusing; such a stream drops its oldest wake-up
    instead, and the sweeper replaces the lost wake-up.
    """
    config = {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "retention": "workqueue" if stream.is_work_queue else "limits",
        "discard": "old" if stream.has_schedules else "new",
        "max_bytes": stream.max_bytes,
        "max_msg_size": stream.max_message_bytes,
        "duplicate_window": _nanoseconds(stream.duplicate_window),
        "max_age": _nanoseconds(stream.max_age) if stream.max_age else 0,
        "deny_delete": stream.is_protected,
        "deny_purge": stream.is_protected,
        **_COMMON,
    }
    schedules = {"allow_msg_schedules": True, "allow_rollup_hdrs": True}  # the first implies both
    return config | schedules if stream.has_schedules else config


def _bucket_config(bucket: BucketSpec) -> Config:
    """Config of a KV bucket with history 1; purging needs roll-up headers."""
    config = {
        "name": f"KV_{bucket.name}",
        "subjects": [f"$KV.{bucket.name}.>"],
        "retention": "limits",
        "discard": "new",
        "max_bytes": bucket.max_bytes,
        "max_msgs_per_subject": 1,
        "max_age": _nanoseconds(bucket.ttl) if bucket.ttl else 0,
        "allow_rollup_hdrs": True,
        **_COMMON,
    }
    return config | {"allow_atomic": True} if bucket.is_atomic else config


_COMMON: Config = {"storage": "file", "allow_direct": True}


def consumer_config(consumer: ConsumerSpec) -> Config:
    """Config of a durable pull consumer; messages are redelivered until acknowledged."""
    config = {
        "name": consumer.durable,
        "durable_name": consumer.durable,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": _nanoseconds(consumer.ack_wait),
        "max_ack_pending": consumer.max_ack_pending,
    }
    return config if consumer.subject == ">" else config | {"filter_subject": consumer.subject}


def extended_config(present: Config, wanted: Config) -> Config:
    """The present config extended to the wanted one; larger limits set by an operator stay.

    So do replicas: a process whose environment lacks LOA_NATS_REPLICAS would take away what the
    others rely on. `reduce_replicas` does it when asked.
    """
    config = _without(present, _GUARDED_STREAM_KEYS) | wanted
    for size in _SIZE_KEYS:
        if size in wanted:
            config[size] = _larger_size(present.get(size, 0), wanted[size])
    config["max_age"] = _kept_age(present.get("max_age", 0), wanted.get("max_age", 0))
    for size in ("num_replicas", "duplicate_window"):
        config[size] = max(present.get(size, 0), wanted.get(size, 0))
    return config


def changed_settings(present: Config, wanted: Config) -> list[str]:
    """The settings of a stream that a start of Loa would set."""
    return _differences(present, extended_config(present, wanted))


def _differences(present: Config, config: Config) -> list[str]:
    names = sorted({*present, *config})
    return [name for name in names if _value(present, name) != _value(config, name)]


def _value(config: Config, name: str) -> Any:
    value = config.get(name)
    return None if value in _UNSET else value


def _without(config: Config, names: tuple[str, ...]) -> Config:
    return {name: value for name, value in config.items() if name not in names}


def _kept_age(present: int, wanted: int) -> int:
    """The age that was set, of a stream that forgets at all; see `apply_ages`."""
    return present or wanted if wanted else 0


def _larger_size(size: int, other: int) -> int:
    return max(size, other) if size > 0 and other > 0 else min(size, other)


async def _ensure_stream(bus: Bus, wanted: Config) -> None:
    name = wanted["name"]
    info = await _stream_info(bus, name)
    if info is None:
        await _create_stream(bus, wanted)
        log.info("stream_created", stream=name)
        return
    if changed := changed_settings(info["config"], wanted):
        config = extended_config(info["config"], wanted)
        await _set_back(bus, info["config"], config, changed)
        if "num_replicas" in changed and config.get("allow_msg_schedules"):
            await _fire_missed_schedules(bus, config)
    if info["state"]["consumer_count"] and name not in _PUBLIC_STREAMS:
        await _remove_push_consumers(bus, name)


async def _create_stream(bus: Bus, config: Config) -> None:
    """Create a stream. Raises TooFewServers."""
    try:
        await bus.connection.repeatable_api_request(f"STREAM.CREATE.{config['name']}", config)
    except BusError as error:
        if error.err_code in _TOO_FEW_SERVERS_CODES:
            raise TooFewServers(config["name"], config["num_replicas"], str(error)) from error
        raise


async def _update_stream(bus: Bus, config: Config) -> Config:
    """Update a stream, as soon as it is on the servers to which it moves.

    Raises NoReply if that takes longer than _MOVE_PATIENCE_S.
    """
    until = time.monotonic() + _MOVE_PATIENCE_S
    while True:
        try:
            call = f"STREAM.UPDATE.{config['name']}"
            return await bus.connection.repeatable_api_request(call, config)
        except BusError as error:
            if error.err_code not in _MOVING_CODES:
                raise
            if time.monotonic() >= until:
                raise NoReply(f"stream {config['name']} still moves to other servers") from error
        await asyncio.sleep(_MOVE_POLL_S)


async def _set_back(bus: Bus, present: Config, config: Config, changed: list[str]) -> None:
    """Update a stream. Raises ForeignSettings if the server refuses, or keeps a setting."""
    name = config["name"]
    try:
        if {"placement", "num_replicas"} <= {*changed}:  # the server does one after the other
            await _update_stream(bus, config | {"num_replicas": present["num_replicas"]})
        updated = await _update_stream(bus, config)
    except NoReply:
        raise
    except BusError as error:
        if error.err_code in _TOO_FEW_SERVERS_CODES:
            raise TooFewServers(name, config["num_replicas"], str(error)) from error
        raise ForeignSettings(name, changed, str(error)) from error
    if kept := [one for one in _differences(updated["config"], config) if one in changed]:
        raise ForeignSettings(name, kept, "the server keeps them")
    guarded = [one for one in changed if one in _GUARDED_STREAM_KEYS]
    if foreign := [one for one in guarded if config.get(one) is not True]:  # no right that was new
        log.warning("stream_settings_reset", stream=name, settings=foreign)
    log.info("stream_updated", stream=name, settings=changed)


async def _fire_missed_schedules(bus: Bus, config: Config) -> None:
    """Let a stream that got more replicas fire the schedules that came due meanwhile.

    It has no leader for about ten seconds, and its first one takes those schedules for fired for
    good; the next one fires them. Without that they wait for the sweep.
    """
    try:
        await _until_grown(bus, config)
        await bus.connection.repeatable_api_request(f"STREAM.LEADER.STEPDOWN.{config['name']}")
    except BusError as error:  # what is left of the topology is worth more
        log.warning("schedules_left_to_sweep", stream=config["name"], reason=str(error))


async def _until_grown(bus: Bus, config: Config) -> None:
    """Wait until all replicas are current. Raises NoReply after _MOVE_PATIENCE_S."""
    name, until = config["name"], time.monotonic() + _MOVE_PATIENCE_S
    while time.monotonic() < until:
        if _is_whole(await bus.stream_info(name)):
            return
        await asyncio.sleep(_MOVE_POLL_S)
    raise NoReply(f"stream {name} has not grown yet")


def _is_whole(info: Config) -> bool:
    """Whether a stream is led, and all its replicas have joined and are current."""
    cluster = info.get("cluster") or {}
    others = [one["current"] for one in cluster.get("replicas") or ()]
    is_placed = len(others) == info["config"]["num_replicas"] - 1 and "desired" not in cluster
    return bool(cluster.get("leader")) and is_placed and all(others)


async def _remove_push_consumers(bus: Bus, stream: str) -> None:
    """Delete consumers that have messages sent to a subject: Loa has none, and they only copy."""
    answer = await bus.connection.repeatable_api_request(f"CONSUMER.LIST.{stream}")
    for consumer in answer["consumers"] or []:
        if target := consumer["config"].get("deliver_subject"):
            call = f"CONSUMER.DELETE.{stream}.{consumer['name']}"
            try:
                await bus.connection.repeatable_api_request(call)
            except BusError as error:  # another process was first, or a repeat after NoReply
                if error.err_code != NO_CONSUMER_CODE:
                    raise
            facts = {"consumer": consumer["name"], "target": target}
            log.warning("push_consumer_removed", stream=stream, **facts)


async def _end_former(bus: Bus, bucket: BucketSpec) -> None:
    """Delete a former bucket's stream that is unused, and whose records are all carried over.

    The stream refuses writes while it is examined, as a full one does: writers repeat them.
    """
    info = await _stream_info(bus, f"KV_{bucket.name}")
    if info is None or not await _is_abandoned(bus, info):
        return
    name, config = info["config"]["name"], info["config"] | {"max_bytes": 1}
    await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{name}", config)
    if await _has_records(bus, name):
        config |= {"max_bytes": bucket.max_bytes}
        await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{name}", config)
        return
    await delete_stream(bus, name)
    log.info("former_bucket_deleted", stream=name)


async def _is_abandoned(bus: Bus, info: Config) -> bool:
    """Whether no earlier version may still write to a former bucket, by the server's clock."""
    began = (await bus.stream_info(EDITORIAL.name))["created"]
    last = max(map(datetime.fromisoformat, (began, info["state"]["last_ts"])))
    return datetime.fromisoformat(info["ts"]) - last >= FORMER_KEPT


async def _has_records(bus: Bus, name: str) -> bool:
    async for message in bus.scan(name):
        if not message.is_deleted:
            return True
    return False


async def _stream_info(bus: Bus, stream: str) -> Config | None:
    try:
        return await bus.stream_info(stream)
    except BusError as error:
        if error.err_code != _NO_STREAM_CODE:
            raise
        return None


async def _ensure_consumer(bus: Bus, stream: StreamSpec, consumer: ConsumerSpec) -> None:
    wanted = consumer_config(consumer)
    try:
        info = await bus.consumer_info(stream.name, consumer.durable)
    except BusError as error:
        if error.err_code != NO_CONSUMER_CODE:
            raise
        info = {"config": {}}
    present = info["config"]
    config = _without(present, _GUARDED_CONSUMER_KEYS) | wanted
    config |= {key: present[key] for key in _START_KEYS if key in present}
    if _differences(present, config):
        action = "update" if present else "create"
        await _apply_consumer(bus, stream, config, action)
        log.info("consumer_applied", stream=stream.name, consumer=consumer.durable, action=action)
    if info.get("paused"):
        call = f"CONSUMER.PAUSE.{stream.name}.{consumer.durable}"
        await bus.connection.repeatable_api_request(call, {})
        log.warning("consumer_unpaused", stream=stream.name, consumer=consumer.durable)


async def _apply_consumer(bus: Bus, stream: StreamSpec, config: Config, action: str) -> None:
    query = {"stream_name": stream.name, "config": config, "action": action}
    call = f"CONSUMER.CREATE.{stream.name}.{config['name']}"
    await bus.connection.repeatable_api_request(call, query)


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
