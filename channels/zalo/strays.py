"""Calls that were taken for lost after all: what they may still do is looked for, later.

A lost `create` that lands after its time leaves a hidden second article; a lost `update` brings an
older text back. Neither can be prevented, so both are looked for: when the item is worked on again,
and in the background for a day, by whoever is running then: the notes say what for.
"""

from dataclasses import replace

import structlog

from channels.errors import ChannelError
from channels.zalo import reconcile
from channels.zalo.calls import Calls
from channels.zalo.codes import Refused
from channels.zalo.notebook import Note, Notebook, Stray
from channels.zalo.pace import Pace

log = structlog.get_logger()
LATEST_S = 86400.0
MOST = 20
"""So many given-up calls of one item are remembered: each has cost ten minutes at least."""


class Strays:
    """Knows which items had a call given up: from their notes at first, then by itself."""

    def __init__(self, calls: Calls, notebook: Notebook, pace: Pace) -> None:
        self.calls = calls
        self.notebook = notebook
        self.pace = pace
        self.begun_at: dict[str, float] = {}  # an item's latest call that was given up
        self.recalled = False

    def give_up(self, content_id: str, note: Note) -> Note:
        """The call that *note* speaks of counts as never done; from now on it is looked for."""
        log.warning("zalo_call_given_up", content_id=content_id, article=note.article_id)
        stray = Stray(note.intent_at, note.marker, note.title)
        self.begun_at[content_id] = stray.at
        return replace(note, intent_at=0.0, strays=(*note.strays, stray)[-MOST:])

    async def sweep(self) -> None:
        """Look once for everything that was begun within a day. Raises ChannelError."""
        await self.recall()
        for content_id, at in list(self.begun_at.items()):
            if self.pace.clock() - at > LATEST_S:
                del self.begun_at[content_id]
                continue
            note = await self.notebook.read(content_id)
            if note and note.article_id and not (note.token or note.intent_at):
                await self.look(content_id, note)

    async def recall(self) -> None:
        """Go on with what others, or we before a restart, were looking for."""
        if self.recalled:
            return
        async for content_id, note in self.notebook.all():
            if note.strays:
                self.begun_at.setdefault(content_id, note.strays[-1].at)
        self.recalled = True

    async def look(self, content_id: str, note: Note) -> None:
        """Remove late copies of the article, and report a text that came back.

        Only once the article has an id, so that one that is just being created is not mistaken for
        a copy. What can't be looked for now holds nothing up.
        """
        if not (note.strays and note.article_id):
            return
        try:
            await reconcile.clear(self.calls, note)
            await self.compare(content_id, note)
        except (Refused, ChannelError) as trouble:
            log.warning("zalo_stray_not_sought", content_id=content_id, reason=trouble.reason)

    async def compare(self, content_id: str, note: Note) -> None:
        """Whether the public sees what we showed last: a person has to act where it does not."""
        if note.shown != note.revision:
            return
        detail = await self.calls.detail(note.article_id)
        wanted = "hide" if note.hidden else "show"
        if detail.get("status") == wanted and reconcile.carries(detail, note.marker):
            return
        if await self.notebook.read(content_id) == note:  # else it was changed by us, just now
            log.error("zalo_article_differs", content_id=content_id, article=note.article_id)
