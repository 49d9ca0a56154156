"""Webhook signatures: Zalo signs each event with the Official Account's secret."""

import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from typing import Any

from channels.zalo.client.response import first_text, json_object
from channels.zalo.settings import ZaloSettings

HEADER = "X-ZEvent-Signature"
_TIMESTAMP = re.compile(
    rb'(?<!\\)"timestamp"\s{0,9}:\s{0,9}("(?:[^"\\]|\\.){0,200}"|-?[0-9]{1,40})', re.DOTALL
)
"""An event's time, found without parsing the event; a text's own quotes are escaped."""
_MAX_TIMESTAMPS = 8
"""The event's own, and those of its parts."""
NO_EXPLANATION = "none that is known"


@dataclass(slots=True)
class SignatureVerifier:
    """Verifies signatures with the Official Account's secret; the app's secret must not sign."""

    app_id: str
    oa_secret: str = field(default="", repr=False)
    app_secret: str = field(default="", repr=False)

    def use(self, settings: ZaloSettings) -> None:
        """Verify with the secrets of *settings* from now on."""
        self.oa_secret = settings.oa_secret.get_secret_value()
        self.app_secret = settings.app_secret.get_secret_value()

    @property
    def is_configured(self) -> bool:
        return bool(self.app_id and self.oa_secret)

    def signs(self, given: str, body: bytes) -> bool:
        """Whether *given* is the signature of exactly these bytes; compared in constant time.

        The body is not parsed: until it is verified, a stranger has written it.
        """
        return any(
            _is_same(given, _sha256_signature(self.app_id, body, timestamp, self.oa_secret))
            for timestamp in _timestamps(body)
        )

    def explain_mismatch(self, given: str, body: bytes, data: Mapping[str, Any]) -> str:
        """The mistake in our settings, or in our knowledge of Zalo, that would explain *given*.

        For a log line only: no such signature is accepted.
        """
        matches = (name for name, mac in self.known_mistakes(body, data) if _is_same(given, mac))
        return next(matches, NO_EXPLANATION)

    def known_mistakes(self, body: bytes, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        at = first_text(data, "timestamp")
        secrets = (("OA secret", self.oa_secret), ("app secret", self.app_secret))
        for name, secret in secrets:
            yield f"{name} behind the app id", _sha256_signature(self.app_id, body, at, secret)
            for id in _account_ids(data):
                yield f"{name} behind the OA id", _sha256_signature(id, body, at, secret)
            key, whole = secret.encode(), self.app_id.encode() + body + at.encode()
            yield f"HMAC with the {name}", hmac.digest(key, body, sha256).hex()
            yield f"HMAC with the {name} over everything", hmac.digest(key, whole, sha256).hex()


def _timestamps(body: bytes) -> set[str]:
    """Candidates for the event's time: the first few in *body*, or none at all."""
    found = islice(_TIMESTAMP.finditer(body), _MAX_TIMESTAMPS)
    values = (json_object(b'{"timestamp":%b}' % match[1]) for match in found)
    return {first_text(value, "timestamp") for value in values} | {""}


def _sha256_signature(id: str, body: bytes, timestamp: str, secret: str) -> str:
    """Plain SHA-256 over app id, body, timestamp and secret."""
    return sha256(b"".join((id.encode(), body, timestamp.encode(), secret.encode()))).hexdigest()


def _is_same(given: str, mac: str) -> bool:
    """Compare signatures; *given* may begin with `mac=`, in digits of any case."""
    digits = given.strip().lower().removeprefix("mac").lstrip().removeprefix("=").strip()
    return hmac.compare_digest(digits.encode(), mac.encode())


def _account_ids(data: Mapping[str, Any]) -> Iterator[str]:
    """Every id in the event that may be the Official Account's."""
    parts = (data, data.get("sender"), data.get("recipient"))
    for part, name in zip(parts, ("oa_id", "id", "id"), strict=True):
        if id := first_text(part, name):
            yield id
