"""Record of an item's article, written before and after every call."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Protocol

from channels.zalo.client.response import json_object, known_fields


class AbandonedCall(NamedTuple):
    """A call that began at `at` and was abandoned; marker and title identify its late effect."""

    at: float
    marker: str
    title: str


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """One item's article at Zalo, without secrets or personal data; times in epoch seconds."""

    revision: int = 0  # revision that the next fields describe
    marker: str = ""  # marker in the body, by which we recognise our own article
    title: str = ""  # title as sent
    cover: str = ""  # cover as sent
    intent_at: float = 0.0  # start of a call with an effect whose result is unknown
    token: str = ""  # token of an article that is not verified yet
    token_at: float = 0.0  # when the token was received
    article_id: str = ""
    shown: int = 0  # revision that the public sees, or whose withdrawal hid the article
    hidden: bool = False
    failed: int = 0  # revision that Zalo will never take
    plain_cover: bool = False  # the item's own cover was refused: use the default one
    strays: tuple[AbandonedCall, ...] = ()  # abandoned calls, oldest first
    sought: int = 0  # revision for which Zalo's list was searched for an unrecorded article
    unit: str = ""  # the item's unit, as of `shown`
    quiet: bool = False  # its unit wants no announcement, as of `shown`
    waits_at: float = 0.0  # since when its broadcast waits for other items' articles
    picture_of: str = ""  # address of the item's own cover; the next fields describe it
    picture: str = ""  # path of our copy
    picture_tries: int = 0  # number of failed attempts to fetch it
    picture_none: int = 0  # revision that uses the default cover instead
    at: int = field(default=0, compare=False)  # store revision; 0: not stored yet

    def encode(self) -> bytes:
        facts = asdict(self)
        del facts["at"]
        return json.dumps(facts, ensure_ascii=False).encode()

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> "ArticleRecord":
        """Read a record that any version wrote: unknown fields are left out."""
        stored = json_object(data) or {}
        names = AbandonedCall._fields
        calls = (call for call in stored.get("strays", ()) if len(call) == len(names))
        strays = tuple(AbandonedCall(*call) for call in calls)
        return cls(**{**known_fields(cls, stored), "strays": strays, "at": at})


class ArticleStore(Protocol):
    """Durable store: `write` returns once the record survives a crash. Both raise Unreachable."""

    async def read(self, content_id: str) -> ArticleRecord:
        """The record; a blank one for an item without."""

    async def write(self, content_id: str, record: ArticleRecord) -> ArticleRecord:
        """The record as stored, for further changes.

        It replaces the record at `record.at` only; where a newer one exists it raises Unreachable.
        """

    def all(self) -> AsyncIterator[tuple[str, ArticleRecord]]:
        """Every readable record, with its item's content id. Raises Unreachable."""
