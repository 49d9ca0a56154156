"""Signed tokens (JWS): RS256 and ES256 with a key of the provider, and nothing else."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from consumers.staff.oidc.errors import OidcRefused, Reason

Claims = Mapping[str, Any]
_KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}
_ALGORITHMS = tuple(_KEY_TYPES)
_MAX_HEADER = 4 << 10
_MAX_TOKEN = 16 << 10
_MAX_KEYS = 32
_RSA_BITS = range(2048, 8193)
_PUBLIC_MEMBERS = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y")}
_UNSUPPORTED_HEADERS = ("crit", "b64")


class _Registry(JWSRegistry):
    """Allows a header with a certificate chain, which is not looked at."""

    max_header_length = _MAX_HEADER


_REGISTRY = _Registry(algorithms=_ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    algorithm: str
    public: RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The provider's keys that may sign tokens."""

    keys: tuple[_Key, ...]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Take the usable keys of a JWK set; other kinds, uses and sizes are passed over."""
        given = document.get("keys")
        entries = given[:_MAX_KEYS] if isinstance(given, list) else []
        keys = (_parse_key(entry) for entry in entries if isinstance(entry, dict))
        return cls(tuple(key for key in keys if key))

    def find(self, kid: str | None, algorithm: str) -> RSAKey | ECKey:
        """The key of a token's header. Raises OidcRefused for an unknown or ambiguous one.

        A token without a key id is taken only where one key can be meant.
        """
        fitting = [key for key in self.keys if key.algorithm == algorithm]
        if kid is not None:
            fitting = [key for key in fitting if key.kid == kid]
        if len(fitting) != 1:
            raise OidcRefused(Reason.KEY_UNKNOWN)
        return fitting[0].public


def _parse_key(entry: Mapping[str, Any]) -> _Key | None:
    """One key of a set; None for one that may not verify RS256 or ES256."""
    kind = entry.get("kty")
    algorithm = next((name for name, kty in _KEY_TYPES.items() if kty == kind), None)
    is_fit = entry.get("alg") in (None, algorithm) and entry.get("use") in (None, "sig")
    operations = entry.get("key_ops", ["verify"])
    may_verify = isinstance(operations, list) and "verify" in operations
    if algorithm is None or not is_fit or not may_verify:
        return None
    public = {name: entry[name] for name in _PUBLIC_MEMBERS[str(kind)] if name in entry}
    try:
        return _Key(str(entry.get("kid", "")), algorithm, _import_key(public))
    except (JoseError, ValueError, TypeError, KeyError, OverflowError):
        return None


def _import_key(public: Mapping[str, Any]) -> RSAKey | ECKey:
    """Raises ValueError, TypeError, KeyError or an error of joserfc for an unusable key."""
    if public["kty"] == "EC":
        if public["crv"] != "P-256":
            raise ValueError("another curve")
        return ECKey.import_key(dict(public))
    if int.from_bytes(_decode(public["n"])).bit_length() not in _RSA_BITS:
        raise ValueError("too short, or too long")
    return RSAKey.import_key(dict(public))


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(token: object, keys: SigningKeys, types: Sequence[str]) -> Claims:
    """The claims of a signed token; *types*: the `typ` it may have. Raises OidcRefused."""
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or token.count(".") != 2:
        raise OidcRefused(Reason.MALFORMED)
    header = _parse_header(token)
    if header.get("alg") not in _ALGORITHMS:
        raise OidcRefused(Reason.ALGORITHM)
    if str(header.get("typ", "JWT")).lower() not in types:
        raise OidcRefused(Reason.TYPE)
    key = keys.find(header.get("kid"), header["alg"])
    try:
        return jwt.decode(token, key, _ALGORITHMS, _REGISTRY).claims
    except BadSignatureError as wrong:
        raise OidcRefused(Reason.SIGNATURE) from wrong
    except (JoseError, ValueError, TypeError, RecursionError) as wrong:
        raise OidcRefused(Reason.MALFORMED) from wrong


def _parse_header(token: str) -> dict[str, Any]:
    """The protected header. It says which key to take, and is trusted in nothing else."""
    part = token.partition(".")[0]
    try:
        header = json.loads(_decode(part))
    except (ValueError, RecursionError) as wrong:
        raise OidcRefused(Reason.MALFORMED) from wrong
    if not isinstance(header, dict) or any(name in header for name in _UNSUPPORTED_HEADERS):
        raise OidcRefused(Reason.MALFORMED)
    return header
