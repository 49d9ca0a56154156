"""Apply `contracts.subjects` to the server: streams, consumers and buckets."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from contracts.subjects import BUCKETS, STREAMS, BucketSpec, ConsumerSpec, StreamSpec
from producers.bus.bus import Bus
from producers.bus.errors import BusError, UnfitServer
from producers.bus.server_check import verify

__all__ = ["apply", "verify"]

Config = dict[str, Any]

_NO_STREAM_CODE = 10059
_NO_CONSUMER_CODE = 10014
RESTORING_STREAM = "RESTORING"
"""A stream that exists while a restore is incomplete."""
_START_KEYS = ("deliver_policy", "opt_start_seq")  # immutable after creation
_SIZE_KEYS = ("max_bytes", "max_msg_size")  # -1 means "no limit"

log = structlog.get_logger()


async def apply(bus: Bus) -> None:
    """Create missing objects and extend small ones; never shrink or remove anything.

    Raises UnfitServer after an interrupted restore.
    """
    if await stream_exists(bus, RESTORING_STREAM):
        raise UnfitServer("a restore was cut short: repeat it with `loa restore`")
    wanted = [_stream_config(stream) for stream in STREAMS]
    wanted += [_bucket_config(bucket) for bucket in BUCKETS]
    await asyncio.gather(*(_ensure_stream(bus, config) for config in wanted))
    pairs = [(stream, consumer) for stream in STREAMS for consumer in stream.consumers]
    await asyncio.gather(*(_ensure_consumer(bus, *pair) for pair in pairs))


def stream_names() -> list[str]:
    """The names of all streams, those of buckets included."""
    return [stream.name for stream in STREAMS] + [f"KV_{bucket.name}" for bucket in BUCKETS]


async def stream_exists(bus: Bus, stream: str) -> bool:
    return await _present_config(bus, stream) is not None


async def mark_restoring(bus: Bus) -> None:
    """Make `apply` refuse this bus until the mark is deleted."""
    config = {"name": RESTORING_STREAM, "subjects": ["restoring"], "max_bytes": 4096, **_COMMON}
    await bus.connection.repeatable_api_request(f"STREAM.CREATE.{RESTORING_STREAM}", config)


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
    return config | {"allow_msg_schedules": True} if stream.has_schedules else config


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


_COMMON: Config = {"storage": "file", "num_replicas": 1, "allow_direct": True}


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
    """The present config extended to the wanted one; larger limits set by an operator stay."""
    config = present | wanted
    for size in _SIZE_KEYS:
        if size in wanted:
            config[size] = _larger_size(present.get(size, 0), wanted[size])
    config["max_age"] = _longer_age(present.get("max_age", 0), wanted.get("max_age", 0))
    for size in ("num_replicas", "duplicate_window"):
        config[size] = max(present.get(size, 0), wanted.get(size, 0))
    config["subjects"] = list(dict.fromkeys([*present.get("subjects", []), *wanted["subjects"]]))
    return config


def _longer_age(present: int, wanted: int) -> int:
    """The longer of two ages; a limit replaces "for ever" (0)."""
    return max(present, wanted) if wanted else 0


def _larger_size(size: int, other: int) -> int:
    return max(size, other) if size > 0 and other > 0 else min(size, other)


async def _ensure_stream(bus: Bus, wanted: Config) -> None:
    name = wanted["name"]
    present = await _present_config(bus, name)
    if present is None:
        await bus.connection.repeatable_api_request(f"STREAM.CREATE.{name}", wanted)
        log.info("stream_created", stream=name)
        return
    config = extended_config(present, wanted)
    if config != present:
        await bus.connection.repeatable_api_request(f"STREAM.UPDATE.{name}", config)
        log.info("stream_updated", stream=name)


async def _present_config(bus: Bus, stream: str) -> Config | None:
    try:
        config: Config = (await bus.stream_info(stream))["config"]
    except BusError as error:
        if error.err_code != _NO_STREAM_CODE:
            raise
        return None
    return config


async def _ensure_consumer(bus: Bus, stream: StreamSpec, consumer: ConsumerSpec) -> None:
    wanted = consumer_config(consumer)
    try:
        present = (await bus.consumer_info(stream.name, consumer.durable))["config"]
    except BusError as error:
        if error.err_code != _NO_CONSUMER_CODE:
            raise
        present = {}
    config = present | wanted | {key: present[key] for key in _START_KEYS if key in present}
    if config == present:
        return
    action = "update" if present else "create"
    await _apply_consumer(bus, stream, config, action)
    log.info("consumer_applied", stream=stream.name, consumer=consumer.durable, action=action)


async def _apply_consumer(bus: Bus, stream: StreamSpec, config: Config, action: str) -> None:
    query = {"stream_name": stream.name, "config": config, "action": action}
    call = f"CONSUMER.CREATE.{stream.name}.{config['name']}"
    await bus.connection.repeatable_api_request(call, query)


def _nanoseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
