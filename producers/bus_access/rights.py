"""Rights of services, as `rights.toml` says, and the subjects that they come to."""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from contracts.subjects import BUCKETS, FORMER_BUCKETS, STREAMS, StreamSpec, inbound_stream
from producers.bus.server_check import SETTINGS_SUBJECT
from producers.bus.topology import RESTORING_STREAM, stream_names
from producers.bus_access.unit_accounts import UnitAccount

ADMIN, WHOLE = "loa-admin", "loa"
"""The identity of commands, which has every right, and that of all services in one process."""
_GATEWAY, _INTAKE, _EVERY_SERVICE = "gateway", "intake", "every-service"
_FILE = Path(__file__).with_name("rights.toml")
_BUCKETS = {bucket.name for bucket in (*BUCKETS, *FORMER_BUCKETS)}
_STREAMS = {stream.name: stream for stream in STREAMS}


@dataclass(frozen=True)
class Permissions:
    """Subjects that a client may publish; it may subscribe to its own inbox alone."""

    publish: tuple[str, ...]


class Rights(BaseModel):
    """One section of `rights.toml`, whose head explains the words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    consume: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()
    erase: tuple[str, ...] = ()
    measure: tuple[str, ...] = ()

    def streams(self) -> list[str]:
        """Every stream that a section names, those of buckets included."""
        places = [name.partition("/")[0] for name in self.consume]
        places += [stream_of_subject(subject).name for subject in self.publish]
        places += [key.partition(":")[0] for key in self.write]
        places += [*self.read, *self.follow, *self.erase, *self.measure]
        named = [stream_names() if place == "*" else [stream_name(place)] for place in places]
        return list(dict.fromkeys(name for names in named for name in names))

    def subjects(self) -> Iterator[str]:
        """The subjects that a client with these rights publishes."""
        yield SETTINGS_SUBJECT
        yield from ("$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES")
        yield from (f"$JS.API.STREAM.INFO.{name}" for name in (*self.streams(), RESTORING_STREAM))
        yield from self.publish
        for name in map(stream_name, self.read):
            yield from _reading(name)
        for stream, durable in self.consumers():
            yield from _consuming(stream, durable)
        for place in self.write:
            bucket, _, keys = place.partition(":")
            yield f"$KV.{bucket}.{keys or '>'}"
        for name in map(stream_name, self.follow):
            yield f"$JS.API.CONSUMER.CREATE.{name}.*"
            yield f"$JS.API.CONSUMER.MSG.NEXT.{name}.*"
        yield from (f"$JS.API.STREAM.MSG.DELETE.{stream_name(name)}" for name in self.erase)

    def consumers(self) -> Iterator[tuple[str, str]]:
        """Stream and durable of each consumer."""
        for place in self.consume:
            stream, _, pattern = place.partition("/")
            for consumer in _STREAMS[stream].consumers:
                if fnmatchcase(consumer.durable, pattern):
                    yield stream, consumer.durable


@cache
def rights_table() -> dict[str, Rights]:
    """The rights of each service; those of every service are included."""
    sections = {name: Rights(**found) for name, found in tomllib.loads(_FILE.read_text()).items()}
    common = sections.pop(_EVERY_SERVICE)
    return {name: _joined([common, rights]) for name, rights in sections.items()}


def _rights_of(identity: str) -> Rights | None:
    """The rights of a service, or of all in one process; None for an identity with every right."""
    table = rights_table()
    if identity == ADMIN:
        return None
    return _joined(table.values()) if identity == WHOLE else table[identity]


def identities() -> list[str]:
    """Everything that connects to the bus."""
    return [ADMIN, WHOLE, *rights_table()]


def permissions_of(identity: str, units: Sequence[UnitAccount] = ()) -> Permissions | None:
    """The permissions of an identity; None for one that has every right.

    The inbound streams of *units* are emptied by intake, and measured with all others; the gateway
    asks whether they are empty.
    """
    rights = _rights_of(identity)
    if rights is None:
        return None
    subjects, inbound = list(rights.subjects()), [inbound_stream(one.unit) for one in units]
    if "*" in rights.measure or identity == _GATEWAY:
        subjects += [f"$JS.API.STREAM.INFO.{one.name}" for one in inbound]
    if identity in (_INTAKE, WHOLE):
        subjects += [s for one in inbound for s in _consuming(one.name, one.consumers[0].durable)]
        subjects += [f"$JS.API.STREAM.MSG.DELETE.{one.name}" for one in inbound]
    return Permissions(tuple(dict.fromkeys(subjects)))


def stream_name(name: str) -> str:
    """The stream of a stream or a bucket. Raises KeyError for an unknown name."""
    return f"KV_{name}" if name in _BUCKETS else _STREAMS[name].name


def stream_of_subject(subject: str) -> StreamSpec:
    """The stream that keeps what is published on *subject*. Raises LookupError."""
    for stream in STREAMS:
        if any(subject_covers(kept, subject) for kept in stream.subjects):
            return stream
    raise LookupError(f"no stream keeps {subject}")


def _consuming(stream: str, durable: str) -> Iterator[str]:
    """Subjects that a consumer's client needs."""
    yield f"$JS.API.STREAM.INFO.{stream}"
    yield f"$JS.API.CONSUMER.INFO.{stream}.{durable}"
    yield f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
    yield f"$JS.ACK.{stream}.{durable}.>"


def _reading(stream: str) -> Iterator[str]:
    yield f"$JS.API.STREAM.MSG.GET.{stream}"
    yield f"$JS.API.DIRECT.GET.{stream}"
    if stream in _STREAMS and _STREAMS[stream].consumers:
        yield f"$JS.API.CONSUMER.INFO.{stream}.*"


def _joined(sections: Iterable[Rights]) -> Rights:
    """The rights of several sections together."""
    found = list(sections)
    words: dict[str, Sequence[str]] = {
        word: tuple(dict.fromkeys(place for one in found for place in getattr(one, word)))
        for word in Rights.model_fields
    }
    return Rights.model_validate(words)


def subject_covers(pattern: str, subject: str) -> bool:
    """Whether *pattern* matches every subject that *subject* matches."""
    kept, given = pattern.split("."), subject.split(".")
    if kept[-1] == ">":
        return len(given) >= len(kept) and _tokens_cover(kept[:-1], given)
    return len(kept) == len(given) and given[-1] != ">" and _tokens_cover(kept, given)


def _tokens_cover(kept: Sequence[str], given: Sequence[str]) -> bool:
    return all(k in ("*", g) for k, g in zip(kept, given, strict=False))
