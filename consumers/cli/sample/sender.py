"""The unit of the sample ministry whose system sends: events, a trial, and an address to call."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from yarl import URL

from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import Endpoint, EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.cli.sample.items import read_letter_titles, read_sent_text
from consumers.cli.sample.receiver import is_receiver
from consumers.key_file import KeyFile
from consumers.trials.guests import GuestAddresses
from contracts import events, subjects
from contracts.base.times import utc_now
from contracts.cloudevent import CloudEvent
from contracts.vocabulary import Vocabulary
from producers.bus import Bus, records
from producers.publisher import Publisher
from producers.trials.acceptance import TrialAcceptance
from producers.units.registry import TrialUnit, UnitRegistry

UNIT = "trung-tam-cong-nghe-thong-tin"
_UNKNOWN_ITEM = "khong-co-tin-nay"
_OFFICIAL = "can-bo@example.org"


@dataclass(frozen=True)
class SampleSender:
    """Does what the unit's system and its administrators do."""

    bus: Bus
    keys: KeyFile
    vocabulary: Vocabulary

    async def send_all(self, foreign: str, receiver: URL) -> None:
        """Send a trial, then the same item in earnest, and what intake refuses.

        *foreign*: an item of another unit. *receiver*: the address that is called about it.
        """
        await _administration(self.bus, self.keys).add(UNIT, str(receiver), (), _OFFICIAL)
        await self._send_trial()
        publisher = Publisher(self.bus, UNIT, vocabulary=self.vocabulary)
        for data in (read_sent_text(), *_refused(foreign)):
            await publisher.publish(_event(data))

    async def _send_trial(self) -> None:
        """Send a trial to the unit's only guest."""
        registry = UnitRegistry(self.bus, self.vocabulary, time.time)
        await registry.renew_trial_key(UNIT)
        guest = GuestAddresses(self.keys.derive).guest(UNIT, _OFFICIAL, utc_now(time.time))
        await registry.add_guest(UNIT, guest)
        member = TrialUnit(UNIT, await registry.require(UNIT))
        trials = self.bus.bucket(subjects.TRIALS.name)
        door = TrialAcceptance(trials, self.vocabulary, time.time)
        await door.accept(member, [_event(read_sent_text())])


async def move_receiver(bus: Bus, keys: KeyFile, receiver: URL) -> None:
    """Have the receiver called where it is in this run, at once, if it is still registered."""
    admin = _administration(bus, keys)
    for one in await admin.store.of_unit(UNIT):
        if is_receiver(admin.cipher.decrypt(one.key, one.endpoint.url)):
            url = admin.cipher.encrypt(one.key, str(receiver))
            moved = partial(_updated, {"url": url, "origin": str(receiver.origin())})
            await records.update(admin.store.bucket, one.key, Endpoint, moved)
            await admin.enable(UNIT, one.id)


def _updated(update: Mapping[str, str], found: Endpoint | None) -> Endpoint:
    return records.require(found).model_copy(update=update)


def _administration(bus: Bus, keys: KeyFile) -> EndpointAdministration:
    return EndpointAdministration(
        *(EndpointStore(bus), StatusStore(bus), EndpointCipher(keys.derive)),
        check_url=lambda _: None,  # Loa judges it at each call
        clock=time.time,
    )


def _refused(foreign: str) -> list[dict[str, Any]]:
    """Events that the door takes and intake refuses: they become dead letters."""
    later, mended, renewed = read_letter_titles()
    corrected = {"corrects_revision": 1, "revision": 2}
    data: list[dict[str, Any]] = [
        {"content_id": foreign, "revision": 9, "title": later},
        {**corrected, "content_id": _UNKNOWN_ITEM, "title": mended},
        {**corrected, "content_id": foreign, "title": renewed},
    ]
    return [{"topic": "chuyen-doi-so", "body": one["title"], **one} for one in data]


def _event(data: Mapping[str, Any]) -> CloudEvent:
    is_correction = "corrects_revision" in data
    return CloudEvent(
        specversion="1.0",
        id=f"mau.{secrets.token_hex(8)}",
        source=f"{events.UNIT_SOURCE_PREFIX}{UNIT}",
        type=events.CORRECTED if is_correction else events.SUBMITTED,
        subject=data["content_id"],
        time=datetime.now(UTC),
        data=dict(data),
    )
