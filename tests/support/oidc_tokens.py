"""Keys of an identity provider, and the tokens that it signs for tests."""

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from joserfc import jwk
from joserfc.jws import JWSRegistry

ISSUER = "https://dinh-danh.example.gov.vn"
CLIENT_ID = "loa"
NOW = 1_800_000_000.0
NONCE = "a-nonce"
ACCESS_TOKEN = "an-access-token"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@cache
def rsa_key(kid: str = "rsa") -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid}, private=True)


@cache
def ec_key(kid: str = "ec", curve: str = "P-256") -> jwk.ECKey:
    return jwk.ECKey.generate_key(curve, {"kid": kid}, private=True)


def key_set(*keys: jwk.RSAKey | jwk.ECKey) -> dict[str, Any]:
    """The document at a provider's `jwks_uri`."""
    return {"keys": [key.as_dict(private=False) for key in keys or (rsa_key(), ec_key())]}


def at_hash(access_token: str) -> str:
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return encode_bytes(half)


def id_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good ID token; a change to None leaves a claim out."""
    claims = {
        "iss": ISSUER,
        "sub": "7c9e6679",
        "aud": CLIENT_ID,
        "exp": int(NOW) + 300,
        "iat": int(NOW),
        "nonce": NONCE,
        "at_hash": at_hash(ACCESS_TOKEN),
        "sid": "s1",
        "name": "Lê Văn Tám",
        "preferred_username": "le-van-tam",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def logout_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good logout token."""
    claims = {
        "iss": ISSUER,
        "sub": "7c9e6679",
        "aud": CLIENT_ID,
        "exp": int(NOW) + 120,
        "iat": int(NOW),
        "jti": secrets.token_hex(8),
        "sid": "s1",
        "events": {LOGOUT_EVENT: {}},
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


def sign(claims: Any, key: jwk.RSAKey | jwk.ECKey | None = None, **header: Any) -> str:
    """A token; a header of None is left out. Unlike a library, this signs any header."""
    key = key or rsa_key()
    algorithm = {"RSA": "RS256", "EC": "ES256"}[key.key_type]
    signed = _signing_input({"alg": algorithm, "kid": key.kid, "typ": "JWT"} | header, claims)
    signature = JWSRegistry.algorithms[algorithm].sign(signed.encode(), key)
    return f"{signed}.{encode_bytes(signature)}"


def sign_with_secret(claims: Any, secret: bytes, **header: Any) -> str:
    """A token with HS256, as who knows only the public key can make it."""
    signed = _signing_input({"alg": "HS256", "typ": "JWT"} | header, claims)
    return f"{signed}.{encode_bytes(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _signing_input(header: dict[str, Any], claims: Any) -> str:
    kept = {name: value for name, value in header.items() if value is not None}
    payload = encode_bytes(claims.encode()) if isinstance(claims, str) else encode(claims)
    return f"{encode(kept)}.{payload}"


def encode(part: Any) -> str:
    """One part of a token, as it is written."""
    return encode_bytes(json.dumps(part).encode())


def encode_bytes(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def short_rsa_key() -> dict[str, Any]:
    """A public key of 1024 bits, which some installations still have."""
    return {"kty": "RSA", "kid": "short", "n": encode_bytes(b"\xff" * 128), "e": "AQAB"}
