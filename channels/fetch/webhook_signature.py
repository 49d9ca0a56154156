"""Signatures of callbacks by Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256

_SECRET_PREFIX = "whsec_"  # noqa: S105 -- it is no secret
_SECRET_BYTES = 32
_VERSION = "v1"


def create_secret() -> str:
    """A new secret, as receivers are given it."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(
    id: str, timestamp: int, body: bytes, shared_secrets: Iterable[str]
) -> dict[str, str]:
    """The headers of a callback, with a signature for each of the secrets that are valid."""
    signatures = [signature(id, timestamp, body, one) for one in shared_secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def signature(id: str, timestamp: int, body: bytes, shared_secret: str) -> str:
    """The signature under one secret, with its version."""
    key = base64.b64decode(shared_secret.removeprefix(_SECRET_PREFIX))
    signed = f"{id}.{timestamp}.".encode() + body
    return f"{_VERSION},{base64.b64encode(hmac.digest(key, signed, sha256)).decode()}"
