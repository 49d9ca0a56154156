"""The calls of the API that articles and broadcasts are made of, in our words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo.api import ZaloApi
from channels.zalo.envelope import Answer, text_of, whole
from channels.zalo.transport import Doubt

ARTICLE = "/v2.0/article"
OA = "/v2.0/oa"
PAGE = 10
MILLISECONDS = 10**11
"""Times above this are in milliseconds; the lists disagree about it."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An article as the list shows it; `created` is 0 when the list does not say."""

    id: str
    title: str
    created: float
    visible: bool


class Calls:
    """Reads raise Refused or ChannelError, sends also Doubt and Late; see `ZaloApi`."""

    def __init__(self, api: ZaloApi) -> None:
        self.api = api

    async def profile(self) -> Answer:
        """Our Official Account. The cheapest read there is."""
        return await self.api.ask(self.api.get_data(f"{OA}/getoa"))

    async def create(self, payload: Mapping[str, Any], expired: Deadline) -> str:
        """Hand a new article in; returns the token to verify it with."""
        answer = await self.api.act(self.api.post(f"{ARTICLE}/create", payload), expired)
        return needed(answer, "token")

    async def update(self, payload: Mapping[str, Any], expired: Deadline) -> str:
        """Replace an article; returns a token to verify, or nothing when it is done at once."""
        answer = await self.api.act(self.api.post(f"{ARTICLE}/update", payload), expired)
        return answer.text("token")

    async def verify(self, token: str) -> str:
        """The article's id; Refused with kind POLL while it is processed."""
        call = self.api.post(f"{ARTICLE}/verify", {"token": token})
        answer = await self.api.ask(call)
        return answer.text("id")

    async def remove(self, article_id: str, expired: Deadline) -> None:
        await self.api.act(self.api.post(f"{ARTICLE}/remove", {"id": article_id}), expired)

    async def detail(self, article_id: str) -> Mapping[str, Any]:
        """An article with its body and its status."""
        answer = await self.api.ask(self.api.get(f"{ARTICLE}/getdetail", {"id": article_id}))
        return answer.data if isinstance(answer.data, Mapping) else {}

    async def listed(self, page: int) -> list[Listed]:
        """One page of our articles, newest first."""
        query = {"offset": str(page * PAGE), "limit": str(PAGE), "type": "normal"}
        answer = await self.api.ask(self.api.get(f"{ARTICLE}/getslice", query))
        return [listed(media) for media in medias(answer.data)]

    async def broadcast(
        self, article_ids: Sequence[str], target: Mapping[str, str], expired: Deadline
    ) -> str:
        """Point the followers that *target* means to these articles; returns the message id."""
        elements = [{"media_type": "article", "attachment_id": id} for id in article_ids]
        payload = {"template_type": "media", "elements": elements}
        message = {"attachment": {"type": "template", "payload": payload}}
        body = {"recipient": {"target": target}, "message": message}
        answer = await self.api.act(self.api.post(f"{OA}/message", body), expired)
        return needed(answer, "message_id")


def needed(answer: Answer, name: str) -> str:
    """A send's answer without its id is no success that could be relied on."""
    found = answer.text(name)
    if not found:
        raise Doubt(f"success without {name}")
    return found


def medias(data: Any) -> list[Mapping[str, Any]]:
    """The list inside a list answer: `medias` by the book, bare in some answers.

    Raises Unreachable for an answer without a list, unless it says that there is nothing to list:
    what isn't there must not look like "not listed".
    """
    found, total = data, None
    if isinstance(data, Mapping):
        found, total = data.get("medias"), whole(data.get("total"))
    if isinstance(found, list):
        return [media for media in found if isinstance(media, Mapping)]
    if total == 0:
        return []
    raise Unreachable("a list without its articles")


def listed(media: Mapping[str, Any]) -> Listed:
    stamp = float(whole(media.get("create_date") or media.get("created_date")) or 0)
    return Listed(
        text_of(media, "id"),
        text_of(media, "title"),
        stamp / 1000 if stamp > MILLISECONDS else stamp,
        text_of(media, "status") == "show",
    )
