"""Erase everything known under a Zalo user id, here and at Zalo, on the person's request.

Every step is idempotent. Our own data go first, and once; only the call to Zalo is repeated while
Zalo is away. Later events of the same person, a new `follow` for example, are kept."""

from dataclasses import dataclass

import structlog

from channels.base import Verdict
from channels.zalo.account.followers import FollowerApi
from channels.zalo.client.response import first_text, json_object
from channels.zalo.clock import jitter
from channels.zalo.errors import ROW_ERRORS
from channels.zalo.outcomes import outcome_of
from channels.zalo.webhook.events import ZaloEvent
from consumers.case_notices.erasure import erase_from_notices
from consumers.runtime.errors import RetryLater
from consumers.suppression.store import SuppressionStore
from consumers.zalo.followers import FollowerStore
from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.case import ZALO_USER_PREFIX
from contracts.delivery import ChannelName
from contracts.records import Record
from producers.bus import Bus
from producers.bus.records import read

log = structlog.get_logger()
WITHDRAWN_REASON = "withdrawn"
_PERMANENT_VERDICTS = {Verdict.FAILED, Verdict.SUPPRESSED}
RETRY_S = 60.0
MAX_RETRY_S = 600.0


class LocalErasure(Record):
    """Our own data are erased, and Zalo's not yet: bucket `control`.

    A backup takes that bucket first, so that no older copy of the data comes back beside the
    record.
    """

    notices: int
    start: int
    """First sequence of RECEIPTS that may name the person: the request itself and later events."""


def zalo_address(user_id: str) -> str:
    """Return the address of a person who is reached by Zalo user id instead of by phone."""
    return f"{ZALO_USER_PREFIX}{user_id}"


@dataclass
class Erasure:
    """Obeys the event `user_withdraw`."""

    bus: Bus
    followers: FollowerStore
    suppressions: SuppressionStore
    lists: FollowerApi

    async def erase(self, event: ZaloEvent) -> None:
        """Erase a person. Raises RetryLater until all is erased, BusError when the bus is away."""
        control, key = self.bus.bucket(subjects.CONTROL.name), f"erasing.zalo.{event.key}"
        cleared = (await read(control, key, LocalErasure)).value
        if cleared is None:
            cleared = await self.erase_locally(event)
            await control.put(key, cleared.model_dump_json().encode())
        crash_point("zalo.person_purged")
        await self.erase_at_zalo(event.user_id)
        await control.purge(key)
        # Erase the request last: until then it is redelivered.
        await self.erase_receipts(event.user_id, start=cleared.start)
        log.info("zalo_person_erased", notices=cleared.notices)

    async def erase_locally(self, event: ZaloEvent) -> LocalErasure:
        """Erase our own data."""
        if await self.followers.erase(event.user_id, event.at):
            address, at = zalo_address(event.user_id), event.at
            await self.suppressions.add(ChannelName.ZALO, address, WITHDRAWN_REASON, None, at=at)
            # Another worker may have recorded an older event meanwhile.
            await self.followers.erase(event.user_id, event.at)
        notices = await self.erase_from_notices(event.user_id)
        start = await self.erase_receipts(event.user_id, except_key=event.key)
        return LocalErasure(notices=notices, start=start)

    async def erase_receipts(self, user_id: str, *, except_key: str = "", start: int = 1) -> int:
        """Erase the person's events from RECEIPTS, except the one with *except_key*.

        Returns the sequence from which a later pass has to start.
        """
        subject, needle = subjects.receipt(ChannelName.ZALO, "*"), user_id.encode()
        kept_seq, last = 0, start - 1
        async for message in self.bus.scan(subjects.RECEIPTS.name, subject, start):
            last = message.seq
            event = json_object(message.data) if needle in message.data else {}
            if first_text(event, "user_id") != user_id:
                continue
            if except_key and first_text(event, "key") == except_key:
                kept_seq = kept_seq or message.seq
            else:
                await self.bus.erase_message(subjects.RECEIPTS.name, message.seq)
        return kept_seq or last + 1

    async def erase_from_notices(self, user_id: str) -> int:
        """Remove the id from every notice; one without another address is purged."""
        return await erase_from_notices(self.bus, "zalo_user_id", lambda id: id == user_id)

    async def erase_at_zalo(self, user_id: str) -> None:
        """Erase the person at Zalo; an unknown one is erased already. Raises RetryLater."""
        try:
            await self.lists.forget(user_id, lambda: False)
        except ROW_ERRORS as error:
            outcome = outcome_of(error, self.lists.api.clock.now(), jitter)
            if outcome.verdict in _PERMANENT_VERDICTS:
                log.info("zalo_person_unknown_there", reason=outcome.reason)
                return
            delay_s = min(outcome.retry_after_s or RETRY_S, MAX_RETRY_S)
            raise RetryLater(delay_s, outcome.reason) from error
