"""One text to one person who wrote to the Official Account: the consultation message, free then."""

from collections.abc import Mapping
from typing import Any

import structlog

from channels.base import Deadline
from channels.zalo.api import ZaloApi
from channels.zalo.calls import needed
from channels.zalo.codes import Refused
from channels.zalo.vault import NEVER, Stale, Vault

log = structlog.get_logger()
CURRENT, FORMER = "/v3.0/oa/message/cs", "/v2.0/oa/message"
NOT_FOR_THIS_OA = -235
"""State bodies hear it from the current call; the former one then takes the same body."""
FREE_S = 48 * 3600.0
MARGIN_S = 600.0


class Replies:
    """Sends through the call that this Official Account may use, found out once and remembered.

    *key* is where that is kept in *store*, followed by the Official Account's id.
    """

    def __init__(self, api: ZaloApi, store: Vault, key: str) -> None:
        self.api = api
        self.store = store
        self.key = key

    async def send(self, user_id: str, oa_id: str, text: str, expired: Deadline) -> str:
        """The message's id. Raises Refused, Doubt, Late, or a ChannelError.

        Only after -235 the other call is tried: after any other error the message may be out.
        """
        body = {"recipient": {"user_id": user_id}, "message": {"text": text}}
        if await self.pinned(oa_id):
            return await self.by(FORMER, body, expired)
        try:
            return await self.by(CURRENT, body, expired)
        except Refused as refused:
            if refused.code != NOT_FOR_THIS_OA:
                raise
        await self.pin(oa_id)
        return await self.by(FORMER, body, expired)

    async def by(self, path: str, body: Mapping[str, Any], expired: Deadline) -> str:
        answer = await self.api.act(self.api.post(path, body), expired)
        return needed(answer, "message_id")

    async def pinned(self, oa_id: str) -> bool:
        """Whether only the former call works for it."""
        return await self.store.get(self.place(oa_id)) is not None

    async def pin(self, oa_id: str) -> None:
        try:
            await self.store.swap(self.place(oa_id), FORMER.encode(), NEVER)
        except Stale:
            return  # another process has found out as well
        log.info("zalo_former_message_call")

    def place(self, oa_id: str) -> str:
        return f"{self.key}.{oa_id}" if oa_id else self.key
