"""Calls of Zalo's API for articles and broadcasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.response import ApiResponse, first_text, whole_number
from channels.zalo.errors import AmbiguousResult

_ARTICLE_PATH = "/v2.0/article"
_OA_PATH = "/v2.0/oa"
PROFILE_PATH = f"{_OA_PATH}/getoa"
"""Profile of our Official Account, the cheapest read there is."""
QUOTA_PATH = f"{_OA_PATH}/quota/message"
"""Broadcasts of the month: the quota and the rest of it."""
PAGE_SIZE = 10
_MILLISECONDS_FROM = 10**11
"""Times above this are in milliseconds; Zalo's lists use both units."""


@dataclass(frozen=True, slots=True)
class ListedArticle:
    """An article of Zalo's list; `created` is 0 where the list names no time."""

    id: str
    title: str
    created: float
    visible: bool


@dataclass
class ArticleApi:
    """Articles and broadcasts.

    Reads raise Refused or ChannelError; writes also AmbiguousResult and DeadlinePassed.
    """

    api: ZaloClient

    async def provider_time(self) -> float:
        return await self.api.provider_time(self.api.get_data_call(PROFILE_PATH))

    async def create(self, payload: Mapping[str, Any], expired: Deadline) -> str:
        """Create an article; returns the token to verify it with."""
        answer = await self.api.write(f"{_ARTICLE_PATH}/create", payload, expired)
        return require_field(answer, "token")

    async def update(self, payload: Mapping[str, Any], expired: Deadline) -> str:
        """Replace an article; returns a token to verify, empty when the change is complete."""
        return (await self.api.write(f"{_ARTICLE_PATH}/update", payload, expired)).text("token")

    async def verify(self, token: str) -> str:
        """The article's id; Refused with kind POLL while it is processed."""
        call = self.api.post_call(f"{_ARTICLE_PATH}/verify", {"token": token})
        return (await self.api.read(call)).text("id")

    async def remove(self, article_id: str, expired: Deadline) -> None:
        await self.api.write(f"{_ARTICLE_PATH}/remove", {"id": article_id}, expired)

    async def detail(self, article_id: str) -> Mapping[str, Any]:
        """An article with its body and its status."""
        call = self.api.get_call(f"{_ARTICLE_PATH}/getdetail", {"id": article_id})
        return (await self.api.read(call)).fields

    async def list_page(self, page: int) -> list[ListedArticle]:
        """One page of our articles, newest first."""
        query = {"offset": str(page * PAGE_SIZE), "limit": str(PAGE_SIZE), "type": "normal"}
        answer = await self.api.read(self.api.get_call(f"{_ARTICLE_PATH}/getslice", query))
        return [parse_listed(media) for media in article_entries(answer.data)]

    async def broadcast(
        self, article_ids: Sequence[str], target: Mapping[str, str], expired: Deadline
    ) -> str:
        """Point the followers that *target* selects to these articles; returns the message id."""
        elements = [{"media_type": "article", "attachment_id": id} for id in article_ids]
        payload = {"template_type": "media", "elements": elements}
        message = {"attachment": {"type": "template", "payload": payload}}
        body = {"recipient": {"target": target}, "message": message}
        answer = await self.api.write(f"{_OA_PATH}/message", body, expired)
        return require_field(answer, "message_id")


def require_field(answer: ApiResponse, name: str) -> str:
    """The required field of a write's answer. Raises AmbiguousResult for a success without it."""
    if value := answer.text(name):
        return value
    raise AmbiguousResult(f"success without {name}")


def article_entries(data: Any) -> list[Mapping[str, Any]]:
    """The list inside a list answer: `medias` by the book, bare in some answers.

    Raises Unreachable for an answer without a list, unless its total is 0: a missing list must not
    look like an empty one.
    """
    entries, total = data, None
    if isinstance(data, Mapping):
        entries, total = data.get("medias"), whole_number(data.get("total"))
    if isinstance(entries, list):
        return [media for media in entries if isinstance(media, Mapping)]
    if total == 0:
        return []
    raise Unreachable("a list without its articles")


def parse_listed(media: Mapping[str, Any]) -> ListedArticle:
    stamp = float(whole_number(media.get("create_date") or media.get("created_date")) or 0)
    return ListedArticle(
        first_text(media, "id"),
        first_text(media, "title"),
        stamp / 1000 if stamp > _MILLISECONDS_FROM else stamp,
        first_text(media, "status") == "show",
    )
