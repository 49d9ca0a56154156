"""The identity provider as Loa uses it: metadata, keys, the code exchange."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog

from consumers.staff.oidc import metadata, signature
from consumers.staff.oidc.client_auth import Client
from consumers.staff.oidc.errors import OidcRefused, ProviderFault, ProviderUnavailable, Reason
from consumers.staff.oidc.http_client import ProviderHttp
from consumers.staff.oidc.metadata import ProviderMetadata
from consumers.staff.oidc.signature import Claims, SigningKeys
from contracts.base.times import Clock

log = structlog.get_logger()
_READ_AGAIN_S = 3600
_REFRESH_S = 60
"""A token with an unknown key makes Loa look for new keys, no more often than that."""
_PAUSE_S = 5
"""After a failure nothing is asked for so long: a provider in trouble is left alone."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """Metadata and keys, with the time at which they were read."""

    metadata: ProviderMetadata
    keys: SigningKeys
    at: float


class Tokens(NamedTuple):
    """The answer of the token endpoint, as far as Loa reads it."""

    id_token: str
    access_token: str


@dataclass(frozen=True, slots=True)
class CodeExchange:
    """A code, with what proves that it was meant for this transaction."""

    code: str
    verifier: str
    redirect_uri: str


class Provider:
    """One provider, read when it is needed first. All methods raise ProviderUnavailable."""

    def __init__(self, issuer: str, client: Client, http: ProviderHttp, clock: Clock) -> None:
        self.issuer, self.client = issuer, client
        self.http, self.clock = http, clock
        self._lock = asyncio.Lock()
        self._known: ProviderState | None = None
        self._failed: tuple[float, ProviderFault] | None = None

    async def current(self) -> ProviderState:
        """Metadata and keys, an hour old at most."""
        return await self._no_older_than(_READ_AGAIN_S)

    async def verify(self, token: object, types: Sequence[str]) -> Claims:
        """The claims of a signed token, after a look for new keys if its key is unknown.

        Raises OidcRefused.
        """
        state = await self.current()
        try:
            return signature.verify(token, state.keys, types)
        except OidcRefused as refused:
            if refused.reason is not Reason.KEY_UNKNOWN:
                raise
        return signature.verify(token, (await self._no_older_than(_REFRESH_S)).keys, types)

    async def exchange(self, exchange: CodeExchange) -> Tokens:
        """Exchange a code for tokens. Raises OidcRefused."""
        provider = (await self.current()).metadata
        proof = self.client.prove(provider, self.clock())
        fields = {
            "grant_type": "authorization_code",
            "code": exchange.code,
            "redirect_uri": exchange.redirect_uri,
            "code_verifier": exchange.verifier,
            **proof.fields,
        }
        answer = await self.http.post(provider.token_endpoint, fields, proof.headers)
        if answer.status != HTTPStatus.OK:
            raise self._refusal(answer.document)
        return _read_tokens(answer.document)

    def _refusal(self, document: Mapping[str, Any]) -> OidcRefused | ProviderUnavailable:
        """A refused code is the person's to repeat; a refused client is the operator's."""
        if document.get("error") == "invalid_grant":
            return OidcRefused(Reason.CODE_REFUSED)
        log.error("oidc_provider_unusable", fault=ProviderFault.CLIENT_REFUSED.value)
        return ProviderUnavailable(ProviderFault.CLIENT_REFUSED)

    async def _no_older_than(self, seconds: float) -> ProviderState:
        async with self._lock:
            now = self.clock()
            if self._known and now - self._known.at < seconds:
                return self._known
            if self._failed and now - self._failed[0] < _PAUSE_S:
                raise ProviderUnavailable(self._failed[1])
            try:
                self._known = await self._read(now)
            except ProviderUnavailable as trouble:
                self._failed = (self.clock(), trouble.fault)
                log.warning("oidc_provider_unusable", fault=trouble.fault.value)
                raise
            return self._known

    async def _read(self, now: float) -> ProviderState:
        document = await self.http.get(self.issuer.rstrip("/") + metadata.DISCOVERY_PATH)
        provider = metadata.parse_metadata(document, self.issuer)
        keys = SigningKeys.parse(await self.http.get(provider.jwks_uri))
        if not keys.keys:
            raise ProviderUnavailable(ProviderFault.NO_KEYS)
        return ProviderState(provider, keys, now)


def _read_tokens(document: Mapping[str, Any]) -> Tokens:
    """Raises OidcRefused for an answer that is none."""
    token_type = document.get("token_type")
    access_token = document.get("access_token", "")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise OidcRefused(Reason.TOKEN_RESPONSE)
    if not isinstance(access_token, str) or not isinstance(document.get("id_token"), str):
        raise OidcRefused(Reason.TOKEN_RESPONSE)
    return Tokens(document["id_token"], access_token)
