"""The unit of the sample ministry whose system sends: events, a trial, and an address to call."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.cli.sample.items import read_letter_titles, read_sent_text
from consumers.key_file import KeyFile
from consumers.trials.guests import GuestAddresses
from contracts import events, subjects
from contracts.base.times import utc_now
from contracts.cloudevent import CloudEvent
from contracts.vocabulary import Vocabulary
from producers.bus import Bus
from producers.publisher import Publisher
from producers.trials.acceptance import TrialAcceptance
from producers.units.registry import TrialUnit, UnitRegistry

UNIT = "trung-tam-cong-nghe-thong-tin"
_UNKNOWN_ITEM = "khong-co-tin-nay"
_OFFICIAL = "can-bo@example.org"
_ADDRESS = "https://127.0.0.1/loa"
"""Address of this machine, refused at each call: the sample calls no other machine."""


@dataclass(frozen=True)
class SampleSender:
    """Does what the unit's system and its administrators do."""

    bus: Bus
    keys: KeyFile
    vocabulary: Vocabulary

    async def send_all(self, foreign: str) -> None:
        """Send a trial, then the same item in earnest, and what intake refuses.

        *foreign*: an item of another unit.
        """
        await self._add_address()
        await self._send_trial()
        publisher = Publisher(self.bus, UNIT, vocabulary=self.vocabulary)
        for data in (read_sent_text(), *_refused(foreign)):
            await publisher.publish(_event(data))

    async def _add_address(self) -> None:
        """Add the address that is called with what becomes of the events."""
        store, cipher = EndpointStore(self.bus), EndpointCipher(self.keys.derive)
        admin = EndpointAdministration(
            *(store, StatusStore(self.bus), cipher),
            check_url=lambda _: None,  # it is judged at each call, as the log shows
            clock=time.time,
        )
        await admin.add(UNIT, _ADDRESS, (), _OFFICIAL)

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
