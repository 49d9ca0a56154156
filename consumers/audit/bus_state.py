"""The state of every stream, and the damage that a later state shows.

Streams only grow, with few exceptions, so an older state tells what a newer one has lost.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from consumers.audit.chain import ChainHead
from consumers.messages import field_error
from contracts.errors import FieldError
from contracts.subjects import (
    AUDIT,
    BUCKETS,
    CONTENT,
    DEAD,
    PERSON_KEYS,
    STREAMS,
    UPLOADS,
    unit_of_inbound,
)
from producers.bus import Bus, topology

_BY_COUNTS = frozenset(("bus_stream_lost", "bus_stream_back", "bus_audit_rewritten"))
_UNERASED_LETTERS = 16
"""Letters older than a state whose events a crash kept from being erased until later."""


class StreamState(BaseModel):
    """A stream at one moment. `kept`: its messages; of a bucket its keys, purged ones included."""

    model_config = ConfigDict(frozen=True)

    created: str
    first: int
    last: int
    kept: int
    config: str
    """The hash of its settings."""
    copies_behind: int = 0
    """The sequence of CONTENT behind which copies of a unit's kept messages may lie."""

    @property
    def missing(self) -> int:
        """How many messages are gone, of all that were ever stored."""
        return self.last - self.kept


class BusState(BaseModel):
    """All streams at one moment."""

    v: int = 1
    at: AwareDatetime
    streams: dict[str, StreamState]
    audit: ChainHead | None = None
    """The end of the audit log."""


@dataclass(frozen=True)
class Observation:
    """The present state of all streams, and the settings that Loa has not made."""

    streams: Mapping[str, StreamState]
    changed: Mapping[str, list[str]]


@dataclass(frozen=True)
class Damage:
    """Damage to one stream: a code of the message catalogue, and its values."""

    stream: str
    code: str
    facts: Mapping[str, object]

    @property
    def field_error(self) -> FieldError:
        return field_error(self.stream, self.code, **self.facts)

    @property
    def is_by_counts(self) -> bool:
        """Whether counts tell it, which are wrong for a while where the bus can't write."""
        return self.code in _BY_COUNTS

    @property
    def is_of_missing_stream(self) -> bool:
        """Whether a stream is gone that every installation has: nothing else can be told then."""
        return self.code == "bus_stream_gone" and not unit_of_inbound(self.stream)


async def observe(bus: Bus) -> Observation:
    """Look at all streams of Loa. Raises BusError."""
    infos = await topology.stream_infos(bus)
    inbound = await topology.inbound_infos(bus)  # behind CONTENT, to which messages are moved
    wanted = topology.wanted_configs(map(unit_of_inbound, inbound))
    infos |= inbound
    changed = {
        name: settings
        for name, info in infos.items()
        if (settings := topology.changed_settings(info["config"], wanted[name]))
    }
    return Observation({name: _state(info) for name, info in infos.items()}, changed)


def _state(info: Mapping[str, Any]) -> StreamState:
    config, state = info["config"], info["state"]
    is_bucket = config["name"].startswith("KV_")
    canonical = json.dumps(config, sort_keys=True).encode()
    return StreamState(
        created=info["created"],
        first=state["first_seq"],
        last=state["last_seq"],
        kept=state.get("num_subjects", 0) if is_bucket else state["messages"],
        config=hashlib.sha256(canonical).hexdigest(),
    )


def find_damage(before: BusState | None, now: Observation, cut: int = 0) -> list[Damage]:
    """Find damaged streams. Without a state from *before*: only missing and changed streams.

    *cut*: the last record of the audit log that retention has removed.
    """
    damages = [
        Damage(name, "bus_stream_gone", {})
        for name in (*topology.stream_names(), *_inbound_streams(before))
        if name not in now.streams
    ]
    earlier = _without_cut(before.streams, now.streams, cut) if before else {}
    for name in now.streams:
        if name in earlier:
            damages += _losses(name, earlier, now.streams)
        if settings := now.changed.get(name):
            damages.append(Damage(name, "bus_stream_changed", {"settings": ", ".join(settings)}))
    return damages


def _inbound_streams(before: BusState | None) -> list[str]:
    return [name for name in before.streams if unit_of_inbound(name)] if before else []


_States = Mapping[str, StreamState]


def _without_cut(before: _States, now: _States, cut: int) -> _States:
    """The states as they were, but without the start of the audit log that was removed since."""
    if not (AUDIT.name in before and AUDIT.name in now):
        return before
    audit, removed = before[AUDIT.name], min(now[AUDIT.name].first - 1, cut)
    kept = min(audit.kept, audit.last - removed)
    return {**before, AUDIT.name: audit.model_copy(update={"kept": kept})}


def _losses(name: str, all_before: _States, all_now: _States) -> Iterator[Damage]:
    before, now = all_before[name], all_now[name]
    if now.created != before.created:
        yield Damage(name, "bus_stream_anew", {"value": now.created, "before": before.created})
    elif now.last < before.last:
        yield Damage(name, "bus_stream_back", {"value": now.last, "before": before.last})
    elif lost := _lost(name, all_before, all_now):
        yield Damage(name, "bus_stream_lost", {"count": lost})


def _lost(name: str, all_before: _States, all_now: _States) -> int:
    """How many messages or keys are gone that no rule of the stream lets go."""
    before, now = all_before[name], all_now[name]
    if name in _shrinking_streams() or unit_of_inbound(name):  # see `inbound_losses`
        return 0
    if name.startswith("KV_"):
        return max(before.kept - now.kept, 0)
    lost = max(now.missing - before.missing, 0)
    if name != CONTENT.name:
        return lost
    is_emptied = before.kept > 0 and now.first > before.last
    erasable = _new_letters(all_before, all_now) + (0 if is_emptied else _UNERASED_LETTERS)
    return lost if lost > erasable else 0


def _new_letters(before: _States, now: _States) -> int:
    """How many dead letters came since; an event that is erased has one."""
    letters = [states[DEAD.name].last for states in (before, now) if DEAD.name in states]
    return letters[1] - letters[0] if len(letters) == 2 else 0


@cache
def _shrinking_streams() -> frozenset[str]:
    """Names of streams that lose messages by rule: by age, or once they are processed."""
    forgetting = {s.name for s in STREAMS if s.is_work_queue or s.max_age}
    forgetting |= {f"KV_{bucket.name}" for bucket in BUCKETS if bucket.ttl}
    erased = {f"KV_{PERSON_KEYS.name}", UPLOADS.name}  # with its person; when no text names it
    return frozenset(forgetting | erased)
