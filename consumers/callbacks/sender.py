"""Send one callback, signed by Standard Webhooks, and judge the answer."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import aiohttp

from channels.fetch.errors import FetchError
from channels.fetch.webhook import WebhookAnswer, WebhookClient
from channels.fetch.webhook_signature import signed_headers
from consumers.callbacks.endpoints import EndpointCipher, ListedEndpoint
from consumers.callbacks.progress import Failure
from consumers.callbacks.status_store import StoredStatus
from contracts.base.times import Clock, utc_now
from contracts.envelope import CONTENT_TYPE
from producers import metrics

_SLOWED = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
"""Answers of a receiver, or of what stands before it, that is overloaded or away."""
_GOOD = 2


class Sent(NamedTuple):
    """The result of one callback. `status`: of the answer; 0 without one."""

    status: int = 0
    failure: Failure | None = None
    took_s: float = 0.0


@dataclass(frozen=True)
class SendSession:
    """Connections to one receiver, with the secrets that are valid now."""

    client: WebhookClient
    http: aiohttp.ClientSession
    url: str
    secrets: Sequence[str]
    clock: Clock

    async def send(self, stored: StoredStatus) -> Sent:
        """Send a fact under its id."""
        began, at = time.monotonic(), int(self.clock())
        headers = signed_headers(stored.fact.id, at, stored.body, self.secrets)
        headers |= {"Content-Type": CONTENT_TYPE}
        try:
            answer = await self.client.post(self.http, self.url, headers, stored.body)
        except FetchError as error:
            sent = Sent(0, Failure(error.reason))
        else:
            sent = Sent(answer.status, judge(answer))
        metrics.CALLBACKS.add(_result(sent))
        return sent._replace(took_s=round(time.monotonic() - began, 3))


@dataclass(frozen=True)
class CallbackSender:
    """Opens sessions. *cipher* reads secrets and addresses."""

    client: WebhookClient
    cipher: EndpointCipher
    clock: Clock

    @asynccontextmanager
    async def session(self, listed: ListedEndpoint) -> AsyncIterator[SendSession]:
        """Raises KeyFileBroken."""
        now, endpoint = utc_now(self.clock), listed.endpoint
        valid = [one for one in endpoint.secrets if one.until is None or one.until > now]
        secrets = [self.cipher.decrypt(listed.key, one.sealed) for one in valid]
        url = self.cipher.decrypt(listed.key, endpoint.url)
        async with self.client.session() as http:
            yield SendSession(self.client, http, url, secrets, self.clock)


def judge(answer: WebhookAnswer) -> Failure | None:
    """The failure that an answer is; None if the callback has arrived."""
    if answer.status // 100 == _GOOD:
        return None
    reason = f"http {answer.status}"
    if answer.status == HTTPStatus.GONE:
        return Failure(reason, is_gone=True)
    if answer.status in _SLOWED:
        return Failure(reason, pause_s=answer.after_s)
    return Failure(reason, is_refusal=answer.status < HTTPStatus.INTERNAL_SERVER_ERROR)


def _result(sent: Sent) -> str:
    if (failure := sent.failure) is None:
        return "arrived"
    if failure.is_gone:
        return "gone"
    if failure.pause_s is not None:
        return "slowed"
    return "refused" if sent.status else "unreached"
