"""Seals of a bus that was never without them, and messages as a foreign writer publishes them."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from consumers.key_file import KeyFile
from consumers.seals.publications import PURPOSE, REPLAY_HEADER, PublicationSeals
from consumers.seals.records import REPLICA_PURPOSES
from consumers.seals.takeover import SealRecords, seal_for_command, take_over
from contracts.base.seals import SEAL_HEADER, Sealer
from producers.bus import Bus, Message

Forgery = Callable[[Message], Message]
TITLE = "Bộ Nội vụ".encode()


async def open_seals(bus: Bus, folder: Path, clock: Callable[[], float]) -> PublicationSeals:
    """The seals with the key file of *folder*, which take over what is on *bus*."""
    keys = KeyFile.open(folder / "vault.key")
    return await SealRecords(bus, keys, folder / "seals.json").open_or_take_over(clock)


async def use_key(bus: Bus, data: Path) -> None:
    """Let *bus* seal and verify records as a command with the data folder *data* does."""
    await seal_for_command(bus, data / "vault.key", data / "records" / "seals.json", take_over)


def write_replica_key(folder: Path) -> Path:
    """Write the part of the key file in *folder* that a replica of the portal needs."""
    part, path = KeyFile.open(folder / "vault.key").part(REPLICA_PURPOSES), folder / "replica.key"
    path.write_text("".join(f"{key.hex()} {purpose}\n" for purpose, key in part.keys.items()))
    return path


def new_seals(folder: Path) -> PublicationSeals:
    """The seals with the key file of *folder*, of a bus that was never without them."""
    return seals_of(KeyFile.open(folder / "vault.key"))


def seals_of(keys: KeyFile) -> PublicationSeals:
    """The seals under *keys*, of a bus that was never without them."""
    return PublicationSeals(Sealer(keys.derive(PURPOSE)), datetime(1970, 1, 1, tzinfo=UTC))


def _with_headers(message: Message, headers: Mapping[str, str]) -> Message:
    return replace(message, headers=headers)


def _topic(message: Message, topic: str) -> str:
    return f"publication.{topic}.{message.subject.rpartition('.')[2]}"


FORGERIES: dict[str, Forgery] = {
    "without a seal": lambda one: _with_headers(one, {}),
    "with an empty seal": lambda one: _with_headers(one, {SEAL_HEADER: ""}),
    "with a seal of no key": lambda one: _with_headers(one, {SEAL_HEADER: "v1.00000000.AAAA"}),
    "with a cut seal": lambda one: _with_headers(one, {SEAL_HEADER: one.headers[SEAL_HEADER][:-2]}),
    "moved": lambda one: replace(one, subject=_topic(one, "thi-dua-khen-thuong")),
    "under another item": lambda one: replace(one, subject=f"{one.subject}-2"),
    "cut": lambda one: replace(one, data=one.data[:-20]),
    "changed": lambda one: replace(one, data=one.data.replace(TITLE, b"Ke tan cong")),
    "of another item": lambda one: replace(one, data=one.data.replace(b"kenh", b"kinh")),
    "as an operator's replay": lambda one: _with_headers(
        one, {**one.headers, REPLAY_HEADER: str(one.seq)}
    ),
}
"""Changes of a genuine message by a writer without the key."""


async def write_past_the_desk(bus: Bus, message: Message) -> int:
    """Publish a message as it is; its sequence."""
    own = {name: text for name, text in message.headers.items() if name.startswith("Loa-")}
    return (await bus.publish(message.subject, message.data, headers=own)).seq
