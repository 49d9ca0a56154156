"""The consent of an Official Account's admin, with its PKCE verifier (RFC 7636).

Zalo's form of PKCE: a verifier of 43 letters and digits, and the unpadded base64url of its
SHA-256.
"""

import hashlib
import hmac
import secrets
import string
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

_CONSENT_PATH = "/v4/oa/permission"


@dataclass(frozen=True, slots=True)
class Consent:
    """One request for consent. The code that answers it is valid once, for ten minutes.

    `callback` is the one saved in the console, letter by letter. `verifier` is new for each
    request, unless the console has a fixed one.
    """

    app_id: str
    callback: str
    verifier: str = field(repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def url(self, host: str) -> str:
        """The page at which the admin consents; *host* is the OAuth host."""
        query = {
            "app_id": self.app_id,
            "redirect_uri": self.callback,
            "code_challenge": code_challenge(self.verifier),
            "state": self.state,
        }
        return f"{host.rstrip('/')}{_CONSENT_PATH}?{urlencode(query)}"

    def code_from(self, redirect_url: str) -> str | None:
        """The code in the address at which the browser ended; None for another request's."""
        try:
            query = parse_qs(urlsplit(redirect_url.strip()).query)
        except ValueError:  # the pasted text is no address
            return None
        state, code = query.get("state", [""])[0], query.get("code", [""])[0]
        return code if code and hmac.compare_digest(state.encode(), self.state.encode()) else None


_VERIFIER_ALPHABET = string.ascii_letters + string.digits
_VERIFIER_LENGTH = 43


def new_code_verifier() -> str:
    return "".join(secrets.choice(_VERIFIER_ALPHABET) for _ in range(_VERIFIER_LENGTH))


def code_challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")
