"""Send drafts as events of the unit: rate limited, checked and accepted like any sender's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from contracts.base.times import Clock, utc_now
from contracts.cloudevent import CloudEvent
from contracts.errors import Conflict, ContractError, Unavailable
from contracts.events import loggable_fields
from producers import metrics
from producers.acceptance import Acceptance
from producers.imports.compose_event import compose_event
from producers.imports.feed_request import Sleep
from producers.imports.feed_state import Refusal, new_refusal
from producers.imports.imported_articles import ImportedArticles
from producers.imports.planned import Draft
from producers.token_buckets import TokenBuckets
from producers.units.feed_settings import Feed
from producers.units.registry import RegisteredUnit

log = structlog.get_logger()
_MAX_SEND_TRIES = 5


@dataclass(frozen=True)
class DraftSender:
    """Sends drafts. *catch_up* reads the unit's event log up to now."""

    acceptance: Acceptance
    buckets: TokenBuckets
    clock: Clock
    sleep: Sleep
    catch_up: Callable[[str], Awaitable[ImportedArticles]]

    async def send(self, member: RegisteredUnit, feed: Feed, draft: Draft) -> Refusal | bool:
        """Send one draft. True: accepted; a Refusal: the contract refuses it. A repeat is harmless.

        False: another process was faster, and the next reading looks again. Raises Unavailable,
        BusError.
        """
        for _ in range(_MAX_SEND_TRIES):
            while wait_s := self.buckets.take(member.unit):  # like a sender at the gateway
                await self.sleep(wait_s)
            event = compose_event(draft, feed, member.unit)
            try:
                [accepted] = await self.acceptance.accept(member, [event])
                _count(member.unit, event, "known" if accepted.is_known else "accepted")
                return True
            except Unavailable:
                raise
            except Conflict:
                if await self.is_overtaken(member.unit, draft):
                    return False
                draft = replace(draft, revision=draft.revision + 1)
            except ContractError as wrong:
                _count(member.unit, event, wrong.code)
                fields = loggable_fields(wrong.errors)
                log.warning("import_item_refused", content_id=draft.content_id, fields=fields)
                now = utc_now(self.clock)
                return new_refusal(draft.refusal_key, draft.entry, now, wrong.errors)
        return False

    async def is_overtaken(self, unit: str, draft: Draft) -> bool:
        """Whether the log has the item at that revision; if not, the number is used up.

        A number is used up by a text that was claimed but neither stored nor sent again.
        """
        article = (await self.catch_up(unit)).articles.get(draft.content_id)
        return article is not None and article.revision >= draft.revision


def _count(unit: str, event: CloudEvent, answer: str) -> None:
    metrics.EVENTS.add(unit, metrics.event_kind(event.type), answer, "import")
