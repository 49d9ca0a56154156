"""What we must not forget about an item's article; written before and after every call."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, fields
from typing import NamedTuple, Protocol

from channels.zalo.client.response import json_object


class AbandonedCall(NamedTuple):
    """A call begun at `at` that was given up; should it land after all, this is how we know it."""

    at: float
    marker: str
    title: str


@dataclass(frozen=True, slots=True)
class ArticleRecord:
    """One item's article at Zalo. Nothing secret, nobody's data; times in epoch seconds."""

    revision: int = 0  # whose work the next fields describe
    marker: str = ""  # what its body carries, so that we know our own
    title: str = ""  # as we sent it
    cover: str = ""  # as we sent it
    intent_at: float = 0.0  # a call with an effect began then; how it ended is not known
    token: str = ""  # handed in, not verified yet
    token_at: float = 0.0  # when that was
    article_id: str = ""
    shown: int = 0  # the revision the public sees, or whose withdrawal hid it
    hidden: bool = False
    failed: int = 0  # the revision that Zalo will never take
    plain_cover: bool = False  # the item's own cover was refused: use the default one
    strays: tuple[AbandonedCall, ...] = ()  # calls that were given up, oldest first
    sought: int = (
        0  # the revision for which Zalo's list was asked for an article we know nothing of
    )
    unit: str = ""  # whose item it is, as of `shown`
    quiet: bool = False  # its unit wants nobody to be told of it, as of `shown`
    waits_at: float = 0.0  # since when its broadcast waits for other items' articles
    picture_of: str = ""  # the address of the item's own cover, of which the next fields speak
    picture: str = ""  # the path of our copy
    picture_tries: int = 0  # how often it could not be fetched
    picture_none: int = 0  # the revision that has to do without it
    at: int = field(default=0, compare=False)  # where it was read or written; 0: nowhere yet

    def encode(self) -> bytes:
        said = asdict(self)
        del said["at"]
        return json.dumps(said, ensure_ascii=False).encode()

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> "ArticleRecord":
        """Read what this or another version wrote: unknown fields are left out."""
        stored = json_object(data) or {}
        known = {one.name for one in fields(cls)} - {"at", "strays"}
        strays = [
            AbandonedCall(*one)
            for one in stored.get("strays", ())
            if len(one) == len(AbandonedCall._fields)
        ]
        if stored.get("stray_at"):  # there was room for one only
            strays.append(
                AbandonedCall(*(stored[f"stray_{name}"] for name in AbandonedCall._fields))
            )
        said = {name: value for name, value in stored.items() if name in known}
        return cls(**said, strays=tuple(strays), at=at)


class ArticleStore(Protocol):
    """Durable: `write` returns once the note would survive a crash. Both raise Unreachable."""

    async def read(self, content_id: str) -> ArticleRecord | None: ...

    async def write(self, content_id: str, record: ArticleRecord) -> ArticleRecord:
        """The note as it stands now, to be changed further.

        It replaces what stands at `note.at` and nothing newer: then it raises Unreachable.
        """

    def all(self) -> AsyncIterator[tuple[str, ArticleRecord]]:
        """Every note that can be read, with its item's content id. Raises Unreachable."""
