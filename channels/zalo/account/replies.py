"""Reply to a person who wrote to the Official Account, by a free consultation message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from channels.base import Deadline
from channels.zalo.client.article_api import require_field
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.store import NO_REVISION, KeyValueStore
from channels.zalo.errors import Refused, StaleValue

log = structlog.get_logger()
_CURRENT_PATH, _FORMER_PATH = "/v3.0/oa/message/cs", "/v2.0/oa/message"
_NOT_FOR_THIS_OA = -235
"""Error of the current call for state bodies; the former call then takes the same body."""


@dataclass
class ReplySender:
    """Sends through the call that this Official Account may use, found out once and stored.

    *key*, followed by the Official Account's id, is its key in *store*.
    """

    api: ZaloClient
    store: KeyValueStore
    key: str

    async def send(self, user_id: str, oa_id: str, text: str, expired: Deadline) -> str:
        """Send a text; returns the message's id.

        Raises Refused, AmbiguousResult, DeadlinePassed or a ChannelError. Only after -235 the other
        call is tried: after other errors the message may be out.
        """
        body = {"recipient": {"user_id": user_id}, "message": {"text": text}}
        if await self.is_former_pinned(oa_id):
            return await self.send_by(_FORMER_PATH, body, expired)
        try:
            return await self.send_by(_CURRENT_PATH, body, expired)
        except Refused as refused:
            if refused.code != _NOT_FOR_THIS_OA:
                raise
        await self.pin_former(oa_id)
        return await self.send_by(_FORMER_PATH, body, expired)

    async def send_by(self, path: str, body: Mapping[str, Any], expired: Deadline) -> str:
        return require_field(await self.api.write(path, body, expired), "message_id")

    async def is_former_pinned(self, oa_id: str) -> bool:
        """Whether only the former call works for it."""
        return await self.store.get(self.pin_key(oa_id)) is not None

    async def pin_former(self, oa_id: str) -> None:
        try:
            await self.store.swap(self.pin_key(oa_id), _FORMER_PATH.encode(), NO_REVISION)
        except StaleValue:
            return  # another process has stored it
        log.info("zalo_former_message_call")

    def pin_key(self, oa_id: str) -> str:
        return f"{self.key}.{oa_id}" if oa_id else self.key
