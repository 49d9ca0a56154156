"""Calls that were taken for lost after all: what they may still do is looked for, later.

A lost `create` that lands after its time leaves a hidden second article; a lost `update` brings an
older text back. Neither can be prevented, so both are looked for: when the item is worked on again,
and in the background for a day.
"""

from dataclasses import replace

import structlog

from channels.errors import ChannelError
from channels.zalo import reconcile
from channels.zalo.calls import Calls
from channels.zalo.codes import Refused
from channels.zalo.notebook import Note, Notebook
from channels.zalo.pace import Pace

log = structlog.get_logger()
LATEST_S = 86400.0


class Strays:
    """Remembers, for this process, which items had a call given up; the note does so for ever."""

    def __init__(self, calls: Calls, notebook: Notebook, pace: Pace) -> None:
        self.calls = calls
        self.notebook = notebook
        self.pace = pace
        self.given_up_at: dict[str, float] = {}

    def give_up(self, content_id: str, note: Note) -> Note:
        """The call that *note* speaks of counts as never done; from now on it is looked for."""
        log.warning("zalo_call_given_up", content_id=content_id, article=note.article_id)
        self.given_up_at[content_id] = self.pace.clock()
        return replace(
            note,
            intent_at=0.0,
            stray_at=note.intent_at,
            stray_marker=note.marker,
            stray_title=note.title,
        )

    async def sweep(self) -> None:
        """Look once for everything that was given up within a day. Raises ChannelError."""
        for content_id, at in list(self.given_up_at.items()):
            if self.pace.clock() - at > LATEST_S:
                del self.given_up_at[content_id]
                continue
            note = await self.notebook.read(content_id)
            if note and note.article_id and not (note.token or note.intent_at):
                await self.look(content_id, note)

    async def look(self, content_id: str, note: Note) -> None:
        """Remove late copies of the article, and report a text that came back.

        Only once the article has an id, so that one that is just being created is not mistaken for
        a copy. What can't be looked for now holds nothing up.
        """
        if not (note.stray_at and note.article_id):
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
