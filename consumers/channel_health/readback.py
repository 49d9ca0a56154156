"""Readback status: whether readers can see what the portal has written, as its worker found it.

It is part of the portal's destination, which each start of the worker writes anew.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import BaseModel

from consumers.channel_health.destinations import Destination, update_destination
from consumers.messages import field_error, load_catalog
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from contracts.errors import Bilingual, FieldError
from producers.bus import Bus, BusError

log = structlog.get_logger()
_HTTP_STATUS = re.compile(r"HTTP (\d{3})")
_FEED_REASON = re.compile(r"([a-z0-9/-]+\.atom): (.+)")


class ReadbackFailure(BaseModel):
    """Readers see nothing new at `address` since then; `why` as the worker found it."""

    address: str
    since: datetime
    why: str

    @property
    def field_error(self) -> FieldError:
        """The failure in words, with what an operator can check."""
        facts = {"address": self.address, "since": self.since, "why": describe_reason(self.why)}
        return field_error("portal", "portal_not_seen", **facts)

    def to_json(self) -> dict[str, Any]:
        """The JSON form, with its text in both languages."""
        error = self.field_error
        texts = {"message": error.message, "message_vi": error.message_vi}
        return {**self.model_dump(mode="json"), **texts}


@dataclass
class ReadbackStatus:
    """Publishes the start and the end of a readback failure."""

    bus: Bus
    address: str
    clock: Callable[[], float]
    published_reason: str = ""

    async def report(self, reason: str) -> None:
        """Publish a change of *reason* (empty: readers see everything); the next call retries."""
        if bool(reason) == bool(self.published_reason):
            return
        since = self.clock() if reason else 0.0
        changes = {"unseen": reason, "unseen_since": since, "read_at": self.address}
        try:
            await update_destination(self.bus, ChannelName.PORTAL, changes)
        except BusError as away:
            log.warning("sight_not_noted", error=type(away).__name__)
            return
        self.published_reason = reason


def readback_failure(destinations: Mapping[ChannelName, Destination]) -> ReadbackFailure | None:
    portal = destinations.get(ChannelName.PORTAL)
    if portal is None or not portal.unseen:
        return None
    since = utc_time(round(portal.unseen_since))
    return ReadbackFailure(address=portal.read_at, since=since, why=portal.unseen)


def describe_reason(reason: str) -> Bilingual:
    if feed := _FEED_REASON.fullmatch(reason):
        inner = describe_reason(feed[2])
        return Bilingual(f"{feed[1]}: {inner.en}", f"{feed[1]}: {inner.vi}")
    catalog = load_catalog("readback")
    if status := _HTTP_STATUS.fullmatch(reason):
        answer = catalog["answer"]
        return Bilingual(*(answer[code].format(status=status[1]) for code in ("en", "vi")))
    text = catalog.get(reason, {"en": reason, "vi": reason})
    return Bilingual(text["en"], text["vi"])
