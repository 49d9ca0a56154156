"""How Loa proves to the provider which client it is: with a secret, or with a private key."""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from consumers.messages import field_error
from consumers.staff.oidc.metadata import ProviderMetadata
from consumers.staff.oidc.settings import OidcSettings
from contracts.errors import Invalid

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFETIME_S = 60
_KEY_FILE = "LOA_OIDC_CLIENT_KEY_FILE"
_OTHERS = 0o077
_RSA_BITS = 2048


class Proof(NamedTuple):
    """Form fields and headers of one token request."""

    fields: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Client:
    """The client at the provider, with its secret or its key."""

    client_id: str
    secret: str = field(default="", repr=False)
    key: RSAKey | ECKey | None = field(default=None, repr=False)

    @classmethod
    def open(cls, settings: OidcSettings) -> "Client":
        """Raises Invalid without a client and one proof of it, or for an unusable key file."""
        path = settings.client_key_file
        secret = settings.client_secret.get_secret_value()
        if not settings.client_id:
            raise Invalid(field_error("LOA_OIDC_CLIENT_ID", "oidc_client_missing"))
        if bool(secret) == bool(path):
            raise Invalid(field_error("LOA_OIDC_CLIENT_SECRET", "oidc_client_missing"))
        return cls(settings.client_id, secret, _read_key(path) if path else None)

    def prove(self, provider: ProviderMetadata, now: float) -> Proof:
        """The proof for one request; an assertion is valid for a minute and once.

        It names no key: the provider has the one of this client, under any id.
        """
        if self.key:
            return Proof(self._assertion(self.key, provider.issuer, now))
        if provider.takes_secret_in_form_only:
            return Proof({"client_id": self.client_id, "client_secret": self.secret})
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.secret)}"
        return Proof(headers={"Authorization": f"Basic {b64encode(pair.encode()).decode()}"})

    def _assertion(self, key: RSAKey | ECKey, issuer: str, now: float) -> dict[str, str]:
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "jti": secrets.token_urlsafe(16),
            "iat": int(now),
            "exp": int(now) + _ASSERTION_LIFETIME_S,
        }
        algorithm = "RS256" if isinstance(key, RSAKey) else "ES256"
        assertion = jwt.encode({"alg": algorithm}, claims, key, [algorithm])
        return {
            "client_id": self.client_id,
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }


def _read_key(path: Path) -> RSAKey | ECKey:
    """A private key in PEM form: RSA of 2048 bits or more, or P-256. Raises Invalid."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise Invalid(field_error(_KEY_FILE, "oidc_key_open", value=path))
        pem = path.read_bytes()
    except OSError as wrong:
        raise Invalid(field_error(_KEY_FILE, "oidc_key_unusable", value=path)) from wrong
    for kind in (RSAKey, ECKey):
        try:
            key = kind.import_key(pem)
        except (JoseError, ValueError, TypeError):
            continue
        if key.is_private and _is_strong(key):
            return key
    raise Invalid(field_error(_KEY_FILE, "oidc_key_unusable", value=path))


def _is_strong(key: RSAKey | ECKey) -> bool:
    if isinstance(key, RSAKey):
        return key.private_key is not None and key.private_key.key_size >= _RSA_BITS
    return key.curve_name == "P-256"
