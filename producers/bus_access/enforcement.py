"""Prove that a server enforces the rights: try every subject as each identity.

A probe changes nothing, also where it is let through: as a JetStream request its body can't be
read, and as a message it expects a sequence that no stream has.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from nats.aio.client import Client

from contracts.delivery import ChannelName, Lane
from contracts.subjects import STREAMS, inbound_stream
from producers.access import Access
from producers.bus import AccessRefused, Bus, NoReply, UntrustedServer
from producers.bus.server_check import SETTINGS_SUBJECT
from producers.bus.topology import stream_names
from producers.bus_access.key_files import KeyFolder
from producers.bus_access.rights import Permissions, rights_table, subject_covers
from producers.bus_access.unit_accounts import UnitAccount

_BODY = b"-"
_HEADERS = {"Nats-Expected-Last-Sequence": str((1 << 53) - 1)}
_STREAM_CALLS = (
    *("CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE", "INFO"),
    *("MSG.GET", "MSG.DELETE", "LEADER.STEPDOWN", "PEER.REMOVE"),
)
_DURABLE_CALLS = ("CREATE", "DURABLE.CREATE", "DELETE", "INFO", "MSG.NEXT", "PAUSE", "UNPIN")
_ACCOUNT_CALLS = ("INFO", "STREAM.NAMES", "STREAM.LIST", "META.LEADER.STEPDOWN", "SERVER.REMOVE")
_SERVER_PAGES = ("CONNZ", "VARZ", "JSZ", "ACCOUNTZ", "SUBSZ", "STATSZ")
_ID = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
_KEYS = ("x", f"x.{_ID}", "letters.email", "restored", "seals.publications", "fingerprint", "open")
HEARD = (">", "$JS.>", "$KV.>", "$SYS.>", "content.>", "publication.>", "_INBOX.>", "_INBOX.x.>")
"""Subjects to which a service could try to listen."""


@dataclass(frozen=True)
class Server:
    """A server to try, and the CA that its certificate must come from."""

    url: str
    ca_file: Path | None = None


@dataclass(frozen=True)
class Finding:
    """A subject that the server does not treat as the table says.

    `problem`: open, closed, heard, refused (the server does not know the identity's key), or
    outdated (it has not read its configuration since that was changed: revoked keys get in).
    """

    identity: str
    subject: str
    problem: str


@dataclass
class Prober:
    """A connection that notes which of its publications and subscriptions are refused."""

    nc: Client
    refused: set[str] = field(default_factory=set)

    async def note(self, error: Exception) -> None:
        _, quote, subject = str(error).partition('violation for publish to "')
        if not quote:
            _, quote, subject = str(error).partition('violation for subscription to "')
        if quote:
            self.refused.add(subject.partition('"')[0])

    async def publish(self, subjects: Iterable[str]) -> set[str]:
        """Publish to *subjects*; return those that were refused."""
        tried = list(subjects)
        for subject in tried:
            await self.nc.publish(subject, _BODY, headers=_HEADERS)
        await self._settle()
        return {subject for subject in tried if subject.lower() in self.refused}

    async def subscribe(self, subjects: Iterable[str]) -> set[str]:
        """Subscribe to *subjects*; return those that were refused."""
        tried = list(subjects)
        for subject in tried:
            await self.nc.subscribe(subject)
        await self._settle()
        return {subject for subject in tried if subject.lower() in self.refused}

    async def _settle(self) -> None:
        """Wait for every refusal. nats-py sends its ping before what it has not sent yet."""
        await self.nc.flush()
        await self.nc.flush()


async def open_prober(server: Server, access: Access) -> Prober:
    """Connect once. Raises AccessRefused, NoReply."""
    await _connect(server.url, access)  # tells refusals apart, which nats-py alone does not
    prober = Prober(Client())
    await prober.nc.connect(
        server.url.split(","),
        error_cb=prober.note,
        allow_reconnect=False,
        **access.client_options(),
    )
    return prober


async def try_stranger(server: Server) -> list[Finding]:
    """The rights of a client without credentials: nothing, or all."""
    try:
        await _connect(server.url, Access(ca_file=server.ca_file))
    except AccessRefused:
        return []
    return [Finding("", ">", "open")]


async def has_read(server: Server, generation_key: Path) -> bool:
    """Whether every server that answers has read the configuration of *generation_key*.

    Raises UntrustedServer, NoReply where none answers.
    """
    access = Access(nkey_file=generation_key, ca_file=server.ca_file)
    silent: list[NoReply] = []
    urls = server.url.split(",")
    for url in urls:
        try:
            await _connect(url, access)
        except UntrustedServer:
            raise
        except AccessRefused:
            return False
        except NoReply as error:
            silent.append(error)
    if len(silent) == len(urls):
        raise silent[0]
    return True


async def try_identity(
    server: Server, keys: KeyFolder, identity: str, allowed: Permissions
) -> list[Finding]:
    """The subjects that the server treats otherwise than *allowed* says. Raises BusError."""
    access = Access(nkey_file=keys.path(identity), ca_file=server.ca_file)
    try:
        prober = await open_prober(server, access)
    except UntrustedServer:
        raise
    except AccessRefused:
        return [Finding(identity, ">", "refused")]
    try:
        refused = await prober.publish(all_subjects())
        unheard = await prober.subscribe(HEARD)
    finally:
        await prober.nc.close()
    findings = [
        Finding(identity, subject, "closed" if subject in refused else "open")
        for subject in all_subjects()
        if (subject in refused) == is_allowed(allowed.publish, subject)
    ]
    return findings + [Finding(identity, one, "heard") for one in HEARD if one not in unheard]


async def _connect(url: str, access: Access) -> None:
    await (await Bus.connect(url, name="loa-verify", access=access, patience_s=5.0)).close()


def is_allowed(allowed: Sequence[str], subject: str) -> bool:
    return any(subject_covers(pattern, subject) for pattern in allowed)


def all_subjects(units: Sequence[UnitAccount] = ()) -> list[str]:
    """One subject for each thing that a client can do."""
    found = [*_messages(), *_keys(), *_calls(), *_inbound(units)]
    return list(dict.fromkeys(found))


def _messages() -> Iterator[str]:
    yield from ("content.van-phong-bo.submitted", "case.van-phong-bo.updated")
    yield f"publication.thu-tuc-hanh-chinh.{_ID}"
    for channel, lane in product(ChannelName, Lane):
        yield f"deliver.{channel}.{lane}"
    for channel in ChannelName:
        yield f"sched.{channel}.{_ID}.1.0.1"
        yield f"receipt.{channel}.returned"
        yield f"opinion.{channel}.{_ID}.satisfied"
    yield from (f"dead.{stage}" for stage in ("intake", "dispatch", "deliver", "feedback", "x"))
    yield from ("audit.record", "restoring", "in.van-phong-bo.submitted", "_INBOX.x.y", "other")


def _keys() -> Iterator[str]:
    """Keys of every bucket: those that the table names, and some that it does not."""
    named = {place for rights in rights_table().values() for place in rights.write}
    patterns = {place.partition(":")[2] or "x" for place in named} | {
        f"{kind}.{channel}.{_ID}.1.0"
        for kind, channel in product(("state", "rows", "plan", "back"), ChannelName)
    }
    keys = {pattern.replace("*", "x").replace(">", "x.y") for pattern in patterns}
    for stream in stream_names():
        if stream.startswith("KV_"):
            bucket = stream.removeprefix("KV_")
            yield from (f"$KV.{bucket}.{key}" for key in sorted(keys | set(_KEYS)))


def _calls() -> Iterator[str]:
    yield from (f"$JS.API.{call}" for call in _ACCOUNT_CALLS)
    yield from (f"$SYS.REQ.SERVER.PING.{page}" for page in _SERVER_PAGES)
    yield SETTINGS_SUBJECT
    consumers = {stream.name: [one.durable for one in stream.consumers] for stream in STREAMS}
    for stream in (*stream_names(), "RESTORING", "OTHER"):
        yield from _stream_calls(stream, [*consumers.get(stream, ()), "other"])


def _stream_calls(stream: str, durables: Sequence[str]) -> Iterator[str]:
    yield from (f"$JS.API.STREAM.{call}.{stream}" for call in _STREAM_CALLS)
    yield from (f"$JS.API.DIRECT.GET.{stream}", f"$JS.API.DIRECT.GET.{stream}.x.y")
    yield from (f"$JS.API.CONSUMER.{call}.{stream}" for call in ("CREATE", "NAMES", "LIST"))
    for durable, call in product(durables, _DURABLE_CALLS):
        yield f"$JS.API.CONSUMER.{call}.{stream}.{durable}"
        yield f"$JS.API.CONSUMER.CREATE.{stream}.{durable}.x"
        yield f"$JS.ACK.{stream}.{durable}.1.0.0.0.0"


def _inbound(units: Sequence[UnitAccount]) -> Iterator[str]:
    for spec in (inbound_stream(one.unit) for one in units):
        yield from _stream_calls(spec.name, [one.durable for one in spec.consumers])
