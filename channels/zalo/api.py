"""The thin client: every request to Zalo's API hosts goes through here.

`ask` is for reads: tried again within seconds. `act` is for what has an effect: never twice.
"""

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo import codes, envelope
from channels.zalo.codes import Kind, Refused, Ruling
from channels.zalo.envelope import Answer
from channels.zalo.hours import ProviderClock
from channels.zalo.rate import Sleep, TokenBucket
from channels.zalo.tokens import TokenKeeper
from channels.zalo.transport import Doubt, Request, Transport

log = structlog.get_logger()
READ_TRIES = 3
WORDS_MAX = 300
NUMBERS = re.compile(r"\d{6,}")
"""What may be somebody's phone or id, in words of Zalo's that nobody has seen before."""
TOKEN_HEADER = "access_token"  # noqa: S105 -- the name of a header
PROOF_HEADER = "appsecret_proof"
JSON = "application/json"


class Late(Exception):
    """Our own deadline passed before the request was written: surely not sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, without its token."""

    name: str
    method: str
    url: str
    query: Mapping[str, str]
    body: Any = None

    def request(self, token: str, proof: str) -> Request:
        headers = {TOKEN_HEADER: token, PROOF_HEADER: proof}
        if self.body is None:
            return Request(self.method, self.url, headers, self.query)
        headers["Content-Type"] = JSON
        body = json.dumps(self.body, ensure_ascii=False).encode()
        return Request(self.method, self.url, headers, self.query, body)


class ZaloApi:
    """Speaks to one API host as one app; shared by everything in the process.

    *table* names the host's codes. Every call proves that it knows the app's secret, which the
    console can demand.
    """

    def __init__(
        self,
        url: str,
        tokens: TokenKeeper,
        transport: Transport,
        clock: ProviderClock,
        bucket: TokenBucket,
        *,
        table: str = codes.OA,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.table = table
        self.url = url.rstrip("/")
        self.tokens = tokens
        self.transport = transport
        self.clock = clock
        self.bucket = bucket
        self.sleep = sleep

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Call:
        """A read with ordinary query parameters (`/article/*`)."""
        return Call(path, "GET", self.url + path, query or {})

    def get_data(self, path: str, data: Mapping[str, Any] | None = None) -> Call:
        """A read whose parameters are one JSON value `data` (`/oa/*`)."""
        query = {"data": json.dumps(data, ensure_ascii=False)} if data else {}
        return Call(path, "GET", self.url + path, query)

    def post(self, path: str, body: Mapping[str, Any]) -> Call:
        return Call(path, "POST", self.url + path, {}, body)

    async def ask(self, call: Call) -> Answer:
        """Read. Raises Refused, or a ChannelError when no answer is to be had now."""
        patience = AsyncRetrying(
            stop=stop_after_attempt(READ_TRIES),
            wait=wait_random_exponential(multiplier=0.2, max=2),
            retry=retry_if_exception_type(Doubt),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return await patience(self.exchange, call)
        except Doubt as doubt:
            raise Unreachable(f"{call.name}: {doubt}") from doubt

    async def act(self, call: Call, expired: Deadline) -> Answer:
        """Send, once. *expired* is asked just before the request is written.

        Raises Refused (surely nothing happened), Doubt (it may have), Late, or a ChannelError
        (surely nothing happened).
        """
        try:
            return await self.exchange(call, expired)
        except Refused as refused:
            if refused.ruling.ambiguous:
                raise Doubt(refused.reason) from refused
            raise

    async def exchange(self, call: Call, expired: Deadline = lambda: False) -> Answer:
        """One request; a second one only when Zalo refused the first for its token."""
        token = await self.tokens.access()
        answer = await self.once(call, token, expired)
        ruling = self.ruling(answer)
        if ruling and ruling.kind is Kind.TOKEN:
            token = await self.tokens.renewed(token)
            answer = await self.once(call, token, expired)
            ruling = self.ruling(answer)
        if ruling:
            raise await self.refusal(call, answer, ruling)
        return answer

    async def once(self, call: Call, token: str, expired: Deadline) -> Answer:
        await self.bucket.take()
        if expired():
            raise Late(call.name)
        proof = proof_of(token, self.tokens.oauth.app_secret)
        reply = await self.transport.exchange(call.request(token, proof))
        await self.bucket.listen(reply.headers)
        answer = envelope.read(reply)
        self.clock.learn(reply.headers.get("Date", ""))  # a gateway's page is not Zalo's clock
        return answer

    def ruling(self, answer: Answer) -> Ruling | None:
        """None for a success."""
        return codes.judge(self.table, answer.error, answer.message) if answer.error else None

    async def refusal(self, call: Call, answer: Answer, ruling: Ruling) -> Refused:
        """What Zalo said no with; an unknown code is logged with its words."""
        if answer.error == envelope.RATE_LIMITED:
            await self.bucket.halve()
        if not ruling.known:
            words = NUMBERS.sub("#", answer.message[:WORDS_MAX])
            log.error("zalo_unknown_code", call=call.name, code=answer.error, words=words)
        return Refused(call.name, answer.error, answer.message, ruling)


def proof_of(token: str, app_secret: str) -> str:
    """`appsecret_proof`: that whoever uses the token is the app it was granted to."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
