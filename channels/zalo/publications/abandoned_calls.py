"""Abandoned calls: calls that count as not done, and whose late effects are searched for.

A lost `create` that lands late leaves a hidden second article; a late `update` restores an older
text. Neither can be prevented. Both are searched for when the item is worked on again, and in the
background for a day. The records of the items tell any process which calls to watch.
"""

from dataclasses import dataclass, field, replace

import structlog

from channels.errors import ChannelError
from channels.zalo.client.article_api import ArticleApi
from channels.zalo.clock import Timing
from channels.zalo.errors import Refused
from channels.zalo.publications import reconcile
from channels.zalo.publications.record import AbandonedCall, ArticleRecord, ArticleStore

log = structlog.get_logger()
WATCH_S = 86400.0
_CALLS_MAX = 20
"""Abandoned calls remembered per item, the latest for each text."""


@dataclass
class AbandonedCalls:
    """Watches items with abandoned calls, as their records and this process know them."""

    api: ArticleApi
    records: ArticleStore
    timing: Timing
    begun_at: dict[str, float] = field(default_factory=dict)  # of the latest abandoned call
    is_loaded: bool = False

    def abandon(self, content_id: str, record: ArticleRecord) -> ArticleRecord:
        """Abandon the pending call of *record*: it counts as not done, and is watched."""
        log.warning("zalo_call_given_up", content_id=content_id, article=record.article_id)
        call = AbandonedCall(record.intent_at, record.marker, record.title)
        others = [one for one in record.strays if one.marker != call.marker]
        self.begun_at[content_id] = call.at
        return replace(record, intent_at=0.0, strays=(*others, call)[-_CALLS_MAX:])

    async def sweep(self) -> None:
        """Check every item whose call began within a day. Raises ChannelError."""
        await self.load_once()
        for content_id, at in list(self.begun_at.items()):
            if self.timing.clock() - at > WATCH_S:
                del self.begun_at[content_id]
                continue
            record = await self.records.read(content_id)
            if record.article_id and not (record.token or record.intent_at):
                await self.check(content_id, record)

    async def load_once(self) -> None:
        """Load the abandoned calls that earlier processes recorded, once."""
        if self.is_loaded:
            return
        async for content_id, record in self.records.all():
            if record.strays:
                self.begun_at.setdefault(content_id, record.strays[-1].at)
        self.is_loaded = True

    async def check(self, content_id: str, record: ArticleRecord) -> None:
        """Remove late copies of the article, and report an older text that came back.

        Only for an article with an id, so that one in creation is not mistaken for a copy. A check
        that fails now delays no work.
        """
        if not (record.strays and record.article_id):
            return
        try:
            await reconcile.remove_late_copies(self.api, record)
            await self.check_live_text(content_id, record)
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_stray_not_sought", content_id=content_id, reason=trouble.reason)

    async def check_live_text(self, content_id: str, record: ArticleRecord) -> None:
        """Report an article whose public state is not our last one: an operator has to act."""
        if record.shown != record.revision:
            return
        detail = await self.api.detail(record.article_id)
        status = "hide" if record.hidden else "show"
        if detail.get("status") == status and reconcile.contains_marker(detail, record.marker):
            return
        if await self.records.read(content_id) == record:  # else we have changed it meanwhile
            log.error("zalo_article_differs", content_id=content_id, article=record.article_id)
