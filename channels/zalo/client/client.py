"""HTTP client of Zalo's API hosts; every API request passes through it.

`read` retries within seconds. `write` is for calls with an effect and never repeats them.
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
import tenacity

from channels.base import Deadline
from channels.errors import Unreachable
from channels.zalo import error_codes
from channels.zalo.client import response
from channels.zalo.client.rate_limit import TokenBucket
from channels.zalo.client.response import ApiResponse
from channels.zalo.client.token_store import TokenStore
from channels.zalo.client.transport import AiohttpTransport, Request
from channels.zalo.clock import ProviderClock, Sleep
from channels.zalo.error_codes import ErrorKind, ErrorRule
from channels.zalo.errors import AmbiguousResult, DeadlinePassed, Refused
from contracts.base import tracing

log = structlog.get_logger()
_READ_TRIES = 3
_CLOCK_AGE_S = 60.0
_LOGGED_MESSAGE_MAX = 300
_LONG_NUMBERS = re.compile(r"\d{6,}")
"""Digits that may be a phone number or an id, in messages of an unknown code."""
_TOKEN_HEADER = "access_token"  # noqa: S105 -- the name of a header
_PROOF_HEADER = "appsecret_proof"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One API call, without its token."""

    name: str
    method: str
    url: str
    query: Mapping[str, str]
    body: Any = None

    def to_request(self, token: str, proof: str) -> Request:
        headers = {_TOKEN_HEADER: token, _PROOF_HEADER: proof}
        if self.body is None:
            return Request(self.method, self.url, headers, self.query)
        headers["Content-Type"] = "application/json"
        body = json.dumps(self.body, ensure_ascii=False).encode()
        return Request(self.method, self.url, headers, self.query, body)


@dataclass
class ZaloClient:
    """Client of one API host for one app; shared by all parts of the process.

    *host* names the host's table of codes. Every call carries `appsecret_proof`, which the console
    can require.
    """

    url: str
    tokens: TokenStore
    transport: AiohttpTransport
    clock: ProviderClock
    bucket: TokenBucket
    host: str = error_codes.OA_HOST
    sleep: Sleep = asyncio.sleep

    def get_call(self, path: str, query: Mapping[str, str] | None = None) -> ApiCall:
        """A read with ordinary query parameters (`/article/*`)."""
        return ApiCall(path, "GET", self.url + path, query or {})

    def get_data_call(self, path: str, data: Mapping[str, Any] | None = None) -> ApiCall:
        """A read whose parameters are one JSON value `data` (`/oa/*`)."""
        query = {"data": json.dumps(data, ensure_ascii=False)} if data else {}
        return ApiCall(path, "GET", self.url + path, query)

    def post_call(self, path: str, body: Mapping[str, Any]) -> ApiCall:
        return ApiCall(path, "POST", self.url + path, {}, body)

    async def read(self, call: ApiCall) -> ApiResponse:
        """Read. Raises Refused, or a ChannelError when no answer is available now."""
        retries = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(_READ_TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            retry=tenacity.retry_if_exception_type(AmbiguousResult),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return await retries(self.send_with_token, call)
        except AmbiguousResult as doubt:
            raise Unreachable(f"{call.name}: {doubt}") from doubt

    async def provider_time(self, call: ApiCall) -> float:
        """Zalo's time; *call* reads it where no answer of the last minute has told it."""
        if not self.clock.is_fresh(_CLOCK_AGE_S):
            await self.read(call)
        return self.clock.now()

    async def write(self, path: str, body: Mapping[str, Any], expired: Deadline) -> ApiResponse:
        """POST once. *expired* is asked just before the request is written.

        Raises Refused and ChannelError (no effect), AmbiguousResult (possible effect),
        DeadlinePassed.
        """
        try:
            return await self.send_with_token(self.post_call(path, body), expired)
        except Refused as refused:
            if refused.rule.ambiguous:
                raise AmbiguousResult(refused.reason) from refused
            raise

    async def send_with_token(
        self, call: ApiCall, expired: Deadline = lambda: False
    ) -> ApiResponse:
        """Send one request; a second one only when Zalo refused the first for its token."""
        token = await self.tokens.access_token()
        answer = await self.send_once(call, token, expired)
        rule = self.rule_for(answer)
        if rule and rule.kind is ErrorKind.TOKEN:
            token = await self.tokens.replace_rejected(token)
            answer = await self.send_once(call, token, expired)
            rule = self.rule_for(answer)
        if rule:
            raise await self.refused(call, answer, rule)
        return answer

    async def send_once(self, call: ApiCall, token: str, expired: Deadline) -> ApiResponse:
        await self.bucket.take()
        if expired():
            raise DeadlinePassed(call.name)
        proof = _appsecret_proof(token, self.tokens.oauth.app_secret)
        facts = {"http.request.method": call.method, "url.template": call.name}
        with tracing.child(tracing.ZALO_CALL, facts) as span:
            reply = await self.transport.exchange(call.to_request(token, proof))
            span.set({"http.response.status_code": reply.status})
        await self.bucket.apply_headers(reply.headers)
        answer = response.parse_response(reply)
        self.clock.sync(reply.headers.get("Date", ""))  # a gateway has another clock
        return answer

    def rule_for(self, answer: ApiResponse) -> ErrorRule | None:
        """The rule for an error; None for a success."""
        if not answer.error:
            return None
        return error_codes.classify(self.host, answer.error, answer.message)

    async def refused(self, call: ApiCall, answer: ApiResponse, rule: ErrorRule) -> Refused:
        """The exception for an error. The message of an unknown code is logged."""
        if answer.error == response.RATE_LIMITED:
            await self.bucket.halve_rate()
        if not rule.known:
            words = _LONG_NUMBERS.sub("#", answer.message[:_LOGGED_MESSAGE_MAX])
            log.error("zalo_unknown_code", call=call.name, code=answer.error, words=words)
        return Refused(call.name, answer.error, answer.message, rule)


def _appsecret_proof(token: str, app_secret: str) -> str:
    """Proof that the token's user is the app it was granted to."""
    return hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
