"""The authorisation request and its response: state, nonce, PKCE, and their browser.

A sign-in on its way is a `Transaction`. It lies encrypted in a cookie of the browser, so that a
stranger's requests store nothing here, and a response counts only in the browser that asked.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consumers.staff.oidc.errors import OidcRefused, Reason
from consumers.staff.oidc.metadata import ProviderMetadata
from producers.encryption.values import open_sealed, seal

_LIFETIME_S = 600
_PLACE = "oidc transaction"
_RANDOM_BYTES = 32
_MAX_CODE = 2048
_MAX_COOKIE = 4096
_SCOPE = "openid profile email"


def _random() -> str:
    return secrets.token_urlsafe(_RANDOM_BYTES)


class Transaction(BaseModel):
    """One sign-in on its way. `step_up_of`: the account that is signed in and proves itself."""

    model_config = ConfigDict(frozen=True)

    state: str = Field(default_factory=_random, repr=False)
    nonce: str = Field(default_factory=_random, repr=False)
    verifier: str = Field(default_factory=_random, repr=False)
    started: float
    return_to: str = "/"
    step_up_of: str = ""

    @property
    def challenge(self) -> str:
        """The PKCE challenge of the verifier (S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_url(
    transaction: Transaction, provider: ProviderMetadata, client: Mapping[str, str]
) -> str:
    """The address of a request. *client*: `client_id`, `redirect_uri`, and `acr_values` if any.

    A step-up asks for a new sign-in, also where the provider has a session.
    """
    parameters = {
        "response_type": "code",
        "scope": _SCOPE,
        **client,
        "state": transaction.state,
        "nonce": transaction.nonce,
        "code_challenge": transaction.challenge,
        "code_challenge_method": "S256",
    }
    if transaction.step_up_of:
        parameters |= {"prompt": "login", "max_age": "0"}
    separator = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{separator}{urlencode(parameters)}"


class Transactions:
    """Encrypts transactions for their cookie; *key* has 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, transaction: Transaction) -> str:
        """The value of the cookie that keeps a transaction."""
        sealed = seal(self._cipher, _PLACE, transaction.model_dump_json().encode())
        return urlsafe_b64encode(sealed).decode()

    def read(self, value: str, now: float) -> Transaction:
        """The transaction of a cookie's value. Raises OidcRefused."""
        try:
            data = urlsafe_b64decode(value[:_MAX_COOKIE])
            plain = open_sealed(self._cipher, _PLACE, data)
            transaction = Transaction.model_validate_json(plain or b"")
        except (ValueError, ValidationError) as wrong:
            raise OidcRefused(Reason.TRANSACTION) from wrong
        if not 0 <= now - transaction.started < _LIFETIME_S:
            raise OidcRefused(Reason.TRANSACTION)
        return transaction


def read_code(
    response: Mapping[str, str], transaction: Transaction, provider: ProviderMetadata
) -> str:
    """The code of an authorisation response. Raises OidcRefused."""
    given = response.get("state", "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, transaction.state.encode()):
        raise OidcRefused(Reason.STATE)
    issuer = response.get("iss", "" if provider.names_issuer_in_response else provider.issuer)
    if issuer != provider.issuer:
        raise OidcRefused(Reason.RESPONSE_ISSUER)
    if error := response.get("error"):
        is_denied = error == "access_denied"
        raise OidcRefused(Reason.DENIED if is_denied else Reason.PROVIDER_ERROR)
    code = response.get("code", "")
    if not code or len(code) > _MAX_CODE:
        raise OidcRefused(Reason.CODE_MISSING)
    return code
