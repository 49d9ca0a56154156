"""Reply to a message to the Official Account, at most once a day per person.

The right to reply is claimed before anything is sent: a crash or a doubt costs the reply and
never causes a second one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from channels.base import Deadline
from channels.errors import ChannelError
from channels.zalo.account.replies import ReplySender
from channels.zalo.clock import jitter
from channels.zalo.error_codes import ErrorKind
from channels.zalo.errors import AmbiguousResult, DeadlinePassed, Refused
from channels.zalo.outcomes import outcome_of
from channels.zalo.webhook.events import ZaloEvent
from consumers.restored import last_restore
from consumers.runtime.errors import RetryLater
from consumers.zalo.followers import FREE_MESSAGE_WINDOW, FollowerStore, ReplyClaim
from contracts.base.crash_points import crash_point
from contracts.base.times import utc_now
from producers.bus import Bus

log = structlog.get_logger()
_FREE_REPLY_WINDOW = FREE_MESSAGE_WINDOW - timedelta(minutes=10)
_PAUSED_RETRY_S = 30.0
RETRY_S = 60.0
OPERATOR_RETRY_S = 3600.0
"""Delay while an operator has to act; every waiting message asks Zalo again."""
_PERMANENT_REFUSALS = {ErrorKind.RECIPIENT, ErrorKind.CONTENT}
"""Refusals that the same reply would meet again."""


@dataclass
class AutoReply:
    """Replies with *text*; sends nothing while the channel is paused."""

    bus: Bus
    followers: FollowerStore
    replies: ReplySender
    text: str
    is_paused: Callable[[], bool]
    clock: Callable[[], float]

    async def reply(self, event: ZaloEvent) -> None:
        """Reply to a message. Raises RetryLater if nothing was sent and a retry is useful."""
        end = event.at + _FREE_REPLY_WINDOW

        def expired() -> bool:
            """Whether a reply would cost money by now."""
            return utc_now(self.clock) >= end

        if expired() or await self.may_have_replied(event):
            return
        if self.is_paused():
            raise RetryLater(_PAUSED_RETRY_S, "paused")
        claim = await self.followers.claim_reply(event.user_id, utc_now(self.clock))
        if claim is None:
            return
        crash_point("zalo.reply_claimed")
        await self.send(event, claim, expired)

    async def may_have_replied(self, event: ZaloEvent) -> bool:
        """Whether the reply may have gone out before the bus was restored from a backup."""
        restored = await last_restore(self.bus)
        return restored is not None and event.at <= restored.at

    async def send(self, event: ZaloEvent, claim: ReplyClaim, expired: Deadline) -> None:
        try:
            await self.replies.send(event.user_id, event.oa_id, self.text, expired)
        except Refused as refused:
            log.warning("zalo_reply_refused", reason=refused.reason, fix=refused.rule.fix)
            await self.retry_unless_permanent(refused, claim)
        except AmbiguousResult as doubt:
            log.warning("zalo_reply_in_doubt", reason=str(doubt))
        except DeadlinePassed:
            await self.followers.release_claim(claim)
        except ChannelError as trouble:
            await self.followers.release_claim(claim)
            raise RetryLater(trouble.retry_after_s, trouble.reason) from trouble
        else:
            crash_point("zalo.reply_sent")
            log.info("zalo_reply_sent")

    async def retry_unless_permanent(self, refused: Refused, claim: ReplyClaim) -> None:
        """Raise RetryLater unless Zalo refused this person or this text."""
        if refused.rule.kind in _PERMANENT_REFUSALS:
            return
        await self.followers.release_claim(claim)
        if refused.rule.kind in (ErrorKind.OPERATOR, ErrorKind.TOKEN):
            raise RetryLater(OPERATOR_RETRY_S, refused.reason)
        outcome = outcome_of(refused, self.replies.api.clock.now(), jitter)
        raise RetryLater(outcome.retry_after_s or RETRY_S, refused.reason)
