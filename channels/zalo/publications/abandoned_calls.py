"""Calls that were taken for lost after all: what they may still do is looked for, later.

A lost `create` that lands after its time leaves a hidden second article; a lost `update` brings an
older text back. Neither can be prevented, so both are looked for: when the item is worked on again,
and in the background for a day, by whoever is running then: the notes say what for.
"""

from dataclasses import replace

import structlog

from channels.errors import ChannelError
from channels.zalo.client.article_api import ArticleApi
from channels.zalo.client.errors import Refused
from channels.zalo.publications import reconcile
from channels.zalo.publications.record import AbandonedCall, ArticleRecord, ArticleStore
from channels.zalo.timing import Timing

log = structlog.get_logger()
WATCH_S = 86400.0
CALLS_MAX = 20
"""So many given-up calls of one item are remembered: each has cost ten minutes at least."""


class AbandonedCalls:
    """Knows which items had a call given up: from their notes at first, then by itself."""

    def __init__(self, api: ArticleApi, records: ArticleStore, timing: Timing) -> None:
        self.api = api
        self.records = records
        self.timing = timing
        self.begun_at: dict[str, float] = {}  # an item's latest call that was given up
        self.is_loaded = False

    def abandon(self, content_id: str, record: ArticleRecord) -> ArticleRecord:
        """The call that *note* speaks of counts as never done; from now on it is looked for."""
        log.warning("zalo_call_given_up", content_id=content_id, article=record.article_id)
        stray = AbandonedCall(record.intent_at, record.marker, record.title)
        self.begun_at[content_id] = stray.at
        return replace(record, intent_at=0.0, strays=(*record.strays, stray)[-CALLS_MAX:])

    async def sweep(self) -> None:
        """Look once for everything that was begun within a day. Raises ChannelError."""
        await self.load_once()
        for content_id, at in list(self.begun_at.items()):
            if self.timing.clock() - at > WATCH_S:
                del self.begun_at[content_id]
                continue
            note = await self.records.read(content_id)
            if note and note.article_id and not (note.token or note.intent_at):
                await self.check(content_id, note)

    async def load_once(self) -> None:
        """Go on with what others, or we before a restart, were looking for."""
        if self.is_loaded:
            return
        async for content_id, note in self.records.all():
            if note.strays:
                self.begun_at.setdefault(content_id, note.strays[-1].at)
        self.is_loaded = True

    async def check(self, content_id: str, record: ArticleRecord) -> None:
        """Remove late copies of the article, and report a text that came back.

        Only once the article has an id, so that one that is just being created is not mistaken for
        a copy. What can't be looked for now holds nothing up.
        """
        if not (record.strays and record.article_id):
            return
        try:
            await reconcile.remove_late_copies(self.api, record)
            await self.check_live_text(content_id, record)
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_stray_not_sought", content_id=content_id, reason=trouble.reason)

    async def check_live_text(self, content_id: str, record: ArticleRecord) -> None:
        """Whether the public sees what we showed last: a person has to act where it does not."""
        if record.shown != record.revision:
            return
        detail = await self.api.detail(record.article_id)
        wanted = "hide" if record.hidden else "show"
        if detail.get("status") == wanted and reconcile.contains_marker(detail, record.marker):
            return
        if await self.records.read(content_id) == record:  # else it was changed by us, just now
            log.error("zalo_article_differs", content_id=content_id, article=record.article_id)
