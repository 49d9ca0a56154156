"""Bucket `kept_texts`: what people typed and did not save, and who has a text open."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from pydantic import AwareDatetime, BaseModel

from contracts import subjects
from contracts.base.crash_points import crash_point
from contracts.base.times import Clock, utc_now
from contracts.desk.kept_texts import KEPT_MAX, OPEN_WITH_SCRIPTS, KeptText, OpenPage
from contracts.desk.person import NamedAccount
from contracts.errors import Invalid, field_error
from producers.bus import Bus, NoReply, RevisionConflict, records

_TEXT, _OPEN = "text", "open"
_TRIES = 5
_TEXTS_MAX = 50
"""Texts kept for one account; the one left longest ago makes room."""


class _Open(BaseModel):
    """A page that is open: who, since when, and until when it counts as open."""

    name: str
    since: AwareDatetime
    until: AwareDatetime


@dataclass
class KeptTexts:
    """The service behind the editor. Texts are personal: each account has its own."""

    bus: Bus
    clock: Clock = time.time

    def __post_init__(self) -> None:
        self.bucket = self.bus.bucket(subjects.KEPT_TEXTS.name)

    async def keep(
        self, account: str, content_id: str, fields: Mapping[str, list[str]]
    ) -> KeptText:
        """Keep a form in place of the one before. Raises Invalid for one that is too large."""
        hash = fields.get("hash", [""])[-1]
        kept = KeptText(at=utc_now(self.clock), hash=hash, fields=dict(fields))
        data = kept.model_dump_json().encode()
        if len(data) > KEPT_MAX:
            raise Invalid(field_error("body", "event_too_large", size=len(data), limit=KEPT_MAX))
        key = _text_key(account, content_id)
        if await self.bucket.get(key) is None:
            await self._make_room(account)
        await self.bucket.put(key, data)
        crash_point("desk.text_kept")
        return kept

    async def find(self, account: str, content_id: str) -> KeptText | None:
        key = _text_key(account, content_id)
        return (await records.read_or_absent(self.bucket, key, KeptText)).value

    async def drop(self, account: str, content_id: str) -> None:
        """Forget the text, which is not wanted."""
        if await self.bucket.get(_text_key(account, content_id)) is not None:
            await self.bucket.purge(_text_key(account, content_id))

    async def drop_saved(
        self, account: str, content_id: str, form: Mapping[str, Sequence[str]]
    ) -> None:
        """Forget the text of a form that was saved; what another tab keeps stays."""
        key = _text_key(account, content_id)
        for _ in range(_TRIES):
            kept = await records.read_or_absent(self.bucket, key, KeptText)
            if kept.value is None or not kept.value.is_of(form):
                return
            with suppress(RevisionConflict, NoReply):
                await self.bucket.purge_if(key, kept.revision)
                return

    async def open_page(
        self, account: NamedAccount, content_id: str, lasts: timedelta = OPEN_WITH_SCRIPTS
    ) -> Sequence[OpenPage]:
        """Note that a person has the text open, for how long; returns who else has."""
        key, now = _open_key(content_id, account.id), utc_now(self.clock)
        known = (await records.read_or_absent(self.bucket, key, _Open)).value
        since = known.since if known and now < known.until else now
        mine = _Open(name=account.name, since=since, until=now + lasts)
        await self.bucket.put(key, mine.model_dump_json().encode())
        return [one async for one in self._others(content_id, key)]

    async def close_page(self, account: str, content_id: str) -> None:
        await self.bucket.purge(_open_key(content_id, account))

    async def _others(self, content_id: str, own: str) -> AsyncIterator[OpenPage]:
        now = utc_now(self.clock)
        async for key, value in self.bucket.values(f"{_OPEN}.{content_id}."):
            page = records.parse(_Open, value.data)
            if page is None or page.until <= now:
                await self.bucket.purge(key)
            elif key != own:
                yield OpenPage(page.name, page.since)

    async def _make_room(self, account: str) -> None:
        """Drop the texts that were left longest ago, so that one more fits."""
        keys = [key async for key, _ in self.bucket.values(f"{_TEXT}.{account}.")]
        for key in keys[: max(0, len(keys) - _TEXTS_MAX + 1)]:
            await self.bucket.purge(key)


def _text_key(account: str, content_id: str) -> str:
    return f"{_TEXT}.{account}.{content_id}"


def _open_key(content_id: str, account: str) -> str:
    return f"{_OPEN}.{content_id}.{account}"
