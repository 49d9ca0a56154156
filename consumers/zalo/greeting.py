"""One helpful reply to whoever writes to the Official Account, at most once a day.

The right to reply is taken before anything is sent, so that a crash or a doubt costs the person a
reply and never brings a second one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from channels.base import Deadline
from channels.errors import ChannelError
from channels.zalo.api import Late
from channels.zalo.codes import Kind, Refused
from channels.zalo.events import ZaloEvent
from channels.zalo.hours import chance
from channels.zalo.outcomes import outcome_of
from channels.zalo.replies import FREE_S, MARGIN_S, Replies
from channels.zalo.transport import Doubt
from consumers import restore
from consumers.settle import Later
from consumers.zalo.followers import Claim, Followers
from contracts.crash import crash_point
from producers.bus import Bus

log = structlog.get_logger()
FREE = timedelta(seconds=FREE_S - MARGIN_S)
PAUSED_S = 30.0
AGAIN_S = 60.0
OPERATOR_S = 3600.0
"""All who write meanwhile wait for the same person to act; each of them asks Zalo again."""
FOR_GOOD = {Kind.RECIPIENT, Kind.CONTENT}
"""Refusals that the same reply would meet again."""


@dataclass
class Greeting:
    """Replies with *text*; nothing leaves while the channel is paused."""

    bus: Bus
    followers: Followers
    replies: Replies
    text: str
    paused: Callable[[], bool]
    clock: Callable[[], float]

    async def answer(self, event: ZaloEvent) -> None:
        """Raises Later when nothing was sent and it is worth another try."""
        expired = self.deadline(event)
        if expired() or await self.may_be_out(event):
            return
        if self.paused():
            raise Later(PAUSED_S, "paused")
        claim = await self.followers.claim(event.user_id, self.now())
        if claim is None:
            return
        crash_point("zalo.reply_claimed")
        await self.send(event, claim, expired)

    def deadline(self, event: ZaloEvent) -> Deadline:
        """Whether a reply to *event* would cost something by now."""
        end = event.at + FREE
        return lambda: self.now() >= end

    async def may_be_out(self, event: ZaloEvent) -> bool:
        """Whether the reply may have gone out before the bus came back out of a backup."""
        restored = await restore.last(self.bus)
        return restored is not None and event.at <= restored.at

    async def send(self, event: ZaloEvent, claim: Claim, expired: Deadline) -> None:
        try:
            await self.replies.send(event.user_id, event.oa_id, self.text, expired)
        except Refused as refused:
            log.warning("zalo_reply_refused", reason=refused.reason, fix=refused.ruling.fix)
            await self.come_again(refused, claim)
        except Doubt as doubt:
            log.warning("zalo_reply_in_doubt", reason=str(doubt))
        except Late:
            await self.followers.give_back(claim)
        except ChannelError as trouble:
            await self.followers.give_back(claim)
            raise Later(trouble.retry_after_s, trouble.reason) from trouble
        else:
            crash_point("zalo.reply_sent")
            log.info("zalo_reply_sent")

    async def come_again(self, refused: Refused, claim: Claim) -> None:
        """Raises Later where nothing about this person or this text was refused."""
        if refused.ruling.kind in FOR_GOOD:
            return
        await self.followers.give_back(claim)
        if refused.ruling.kind in (Kind.OPERATOR, Kind.TOKEN):
            raise Later(OPERATOR_S, refused.reason)
        said = outcome_of(refused, self.replies.api.clock.now(), chance)
        raise Later(said.after_s or AGAIN_S, refused.reason)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)
