"""Whether readers see what the portal has written: what the worker found, kept for whoever asks.

It stands in the portal's outlet (`consumers.outlets`), which each start of the worker writes anew.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel

from consumers import outlets
from consumers.faults import fault, texts
from consumers.outlets import Outlet
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Told
from producers.bus import Bus, BusError

log = structlog.get_logger()
_STATUS = re.compile(r"HTTP (\d{3})")
_FEED = re.compile(r"([a-z0-9/-]+\.atom): (.+)")


class Unseen(BaseModel):
    """Nothing new can be read at `address` since then; `why` as the worker found it."""

    address: str
    since: datetime
    why: str

    @property
    def fault(self) -> FieldError:
        """In words, with what to check."""
        since = f"{self.since:%Y-%m-%dT%H:%M:%SZ}"
        said = {"address": self.address, "since": since, "why": words(self.why)}
        return fault("portal", "portal_not_seen", **said)

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        said = {"message": self.fault.message, "message_vi": self.fault.message_vi}
        return {**self.model_dump(mode="json"), **said}


@dataclass
class Sight:
    """Leaves word when it begins that nothing is seen, and when it is over."""

    bus: Bus
    address: str
    clock: Callable[[], float]
    told: str = ""

    async def found(self, why: str) -> None:
        """What the last look has found; empty = all is there. Tried again where the bus is away."""
        if bool(why) == bool(self.told):
            return
        try:
            await self.note(why)
        except BusError as away:
            log.warning("sight_not_noted", error=type(away).__name__)
            return
        self.told = why

    async def note(self, why: str) -> None:
        stands = (await outlets.outlets(self.bus)).get(ChannelName.PORTAL, Outlet(to=self.address))
        since = self.clock() if why else 0.0
        update = {"unseen": why, "unseen_since": since, "read_at": self.address}
        await outlets.note(self.bus, ChannelName.PORTAL, stands.model_copy(update=update))


def unseen(known: Mapping[ChannelName, Outlet]) -> Unseen | None:
    """What the portal's outlet says; None where readers see everything, or nobody has looked."""
    outlet = known.get(ChannelName.PORTAL)
    if outlet is None or not outlet.unseen:
        return None
    since = datetime.fromtimestamp(round(outlet.unseen_since), UTC)
    return Unseen(address=outlet.read_at, since=since, why=outlet.unseen)


def words(why: str) -> Told:
    """A worker's finding, for people."""
    if feed := _FEED.fullmatch(why):
        what = words(feed[2])
        return Told(f"{feed[1]}: {what.en}", f"{feed[1]}: {what.vi}")
    known = texts("sight")
    if status := _STATUS.fullmatch(why):
        answer = known["answer"]
        return Told(answer["en"].format(status=status[1]), answer["vi"].format(status=status[1]))
    said = known.get(why, {"en": why, "vi": why})
    return Told(said["en"], said["vi"])
