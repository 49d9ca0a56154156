"""Send drafts as events of the unit: rate limited, checked and accepted like any sender's."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from contracts.base.times import Clock, utc_now
from contracts.errors import Conflict, ContractError, FieldError, Unavailable
from producers.acceptance import Acceptance
from producers.imports.compose_event import compose_event
from producers.imports.feed_request import Sleep
from producers.imports.feed_state import Refusal
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
            await self.wait_for_token(member.unit)
            try:
                await self.acceptance.accept(member, [compose_event(draft, feed, member.unit)])
            except Unavailable:
                raise
            except Conflict:
                if await self.is_overtaken(member.unit, draft):
                    return False
                draft = replace(draft, revision=draft.revision + 1)
            except ContractError as wrong:
                return self.refusal(draft, wrong.errors)
            else:
                return True
        return False

    async def wait_for_token(self, unit: str) -> None:
        """Wait for a token, like a sender at the gateway."""
        while wait_s := self.buckets.take(unit):
            await self.sleep(wait_s)

    async def is_overtaken(self, unit: str, draft: Draft) -> bool:
        """Whether the log has the item at that revision; if not, the number is used up.

        A number is used up by a text that was claimed but neither stored nor sent again.
        """
        story = (await self.catch_up(unit)).articles.get(draft.content_id)
        return story is not None and story.revision >= draft.revision

    def refusal(self, draft: Draft, errors: Sequence[FieldError]) -> Refusal:
        fields = [error.field for error in errors]
        log.warning("import_item_refused", content_id=draft.content_id, fields=fields)
        return Refusal(
            key=draft.refusal_key,
            title=draft.entry.title[:200],
            url=draft.entry.url[:2048],
            at=utc_now(self.clock),
            errors=tuple(errors),
        )
