"""Texts that people typed and did not save, and who has a text open."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.desk.person import NamedAccount

NEW_ITEM = "-"
"""In place of a content_id, for a text that no item has yet; no content_id is like it."""
KEPT_MAX = 800_000
"""Bytes of a form that is kept; the longest text takes less than half."""
OPEN_WITH_SCRIPTS = timedelta(seconds=60)
"""How long a page with scripts counts as open; it says so every 25 seconds."""
OPEN_WITHOUT_SCRIPTS = timedelta(minutes=15)
"""The same for a page without scripts, which says so once: as long as a session may be unused."""


class KeptText(BaseModel):
    """The form of a text as one person left it; `hash`: of the text that it began from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: AwareDatetime
    hash: str = ""
    fields: dict[str, list[str]]

    def is_of(self, form: Mapping[str, Sequence[str]]) -> bool:
        """Whether *form* was typed on the same page, or began from this text."""
        page, used = (form.get(name, [""])[-1] for name in ("act_id", "used"))
        return self.fields.get("act_id", [""])[-1] in ("", page) or self.at.isoformat() == used


class OpenPage(NamedTuple):
    """Another person who has the text open; `since` when."""

    name: str
    since: datetime


class KeptTextService(Protocol):
    """Texts by account and item. Every method raises BusError."""

    async def keep(
        self, account: str, content_id: str, fields: Mapping[str, list[str]]
    ) -> KeptText:
        """Keep a form in place of the one before. Raises Invalid for one that is too large."""
        ...

    async def find(self, account: str, content_id: str) -> KeptText | None: ...

    async def drop(self, account: str, content_id: str) -> None:
        """Forget the text, which is not wanted."""
        ...

    async def drop_saved(
        self, account: str, content_id: str, form: Mapping[str, Sequence[str]]
    ) -> None:
        """Forget the text of a form that was saved; what another tab keeps stays."""
        ...

    async def open_page(
        self, account: NamedAccount, content_id: str, lasts: timedelta = OPEN_WITH_SCRIPTS
    ) -> Sequence[OpenPage]:
        """Note that a person has the text open, for how long; returns who else has."""
        ...

    async def close_page(self, account: str, content_id: str) -> None: ...
