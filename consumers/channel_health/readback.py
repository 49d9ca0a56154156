"""Readback status: whether readers can see what the portal has written, as its worker found it.

It is part of the portal's destination, which each start of the worker writes anew."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel

from consumers.channel_health import destinations as channel_health_destinations
from consumers.channel_health.destinations import Destination
from consumers.messages import field_error, load_catalog
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, FieldError
from producers.bus import Bus, BusError

log = structlog.get_logger()
_HTTP_STATUS = re.compile(r"HTTP (\d{3})")
_FEED_REASON = re.compile(r"([a-z0-9/-]+\.atom): (.+)")


class ReadbackFailure(BaseModel):
    """Nothing new can be read at `address` since then; `why` as the worker found it."""

    address: str
    since: datetime
    why: str

    @property
    def field_error(self) -> FieldError:
        """In words, with what to check."""
        since = f"{self.since:%Y-%m-%dT%H:%M:%SZ}"
        said = {"address": self.address, "since": since, "why": describe_reason(self.why)}
        return field_error("portal", "portal_not_seen", **said)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        said = {"message": self.field_error.message, "message_vi": self.field_error.message_vi}
        return {**self.model_dump(mode="json"), **said}


@dataclass
class ReadbackStatus:
    """Leaves word when it begins that nothing is seen, and when it is over."""

    bus: Bus
    address: str
    clock: Callable[[], float]
    published_reason: str = ""

    async def report(self, reason: str) -> None:
        """What the last look has found; empty = all is there. Tried again where the bus is away."""
        if bool(reason) == bool(self.published_reason):
            return
        try:
            await self.publish(reason)
        except BusError as away:
            log.warning("sight_not_noted", error=type(away).__name__)
            return
        self.published_reason = reason

    async def publish(self, reason: str) -> None:
        stands = (await channel_health_destinations.load_destinations(self.bus)).get(
            ChannelName.PORTAL, Destination(to=self.address)
        )
        since = self.clock() if reason else 0.0
        update = {"unseen": reason, "unseen_since": since, "read_at": self.address}
        await channel_health_destinations.write_destination(
            self.bus, ChannelName.PORTAL, stands.model_copy(update=update)
        )


def readback_failure(destinations: Mapping[ChannelName, Destination]) -> ReadbackFailure | None:
    """What the portal's outlet says; None where readers see everything, or nobody has looked."""
    outlet = destinations.get(ChannelName.PORTAL)
    if outlet is None or not outlet.unseen:
        return None
    since = datetime.fromtimestamp(round(outlet.unseen_since), UTC)
    return ReadbackFailure(address=outlet.read_at, since=since, why=outlet.unseen)


def describe_reason(reason: str) -> Bilingual:
    """A worker's finding, for people."""
    if feed := _FEED_REASON.fullmatch(reason):
        what = describe_reason(feed[2])
        return Bilingual(f"{feed[1]}: {what.en}", f"{feed[1]}: {what.vi}")
    known = load_catalog("readback")
    if status := _HTTP_STATUS.fullmatch(reason):
        answer = known["answer"]
        return Bilingual(
            answer["en"].format(status=status[1]), answer["vi"].format(status=status[1])
        )
    said = known.get(reason, {"en": reason, "vi": reason})
    return Bilingual(said["en"], said["vi"])
