"""An admin of the Official Account consents in a browser; the address they end at has a code."""

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from channels.zalo import pkce

PATH = "/v4/oa/permission"


@dataclass(frozen=True, slots=True)
class Consent:
    """One request for consent. The code that answers it is good for ten minutes, once.

    `callback` is the one saved in the console, letter by letter. `verifier` is new for each
    request, unless the console knows a fixed one.
    """

    app_id: str
    callback: str
    verifier: str = field(repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def address(self, host: str) -> str:
        """Where the admin says yes; *host* is the OAuth host."""
        query = {
            "app_id": self.app_id,
            "redirect_uri": self.callback,
            "code_challenge": pkce.challenge(self.verifier),
            "state": self.state,
        }
        return f"{host.rstrip('/')}{PATH}?{urlencode(query)}"

    def code(self, landed: str) -> str | None:
        """The code in the address at which the browser ended; None for somebody else's."""
        try:
            query = parse_qs(urlsplit(landed.strip()).query)
        except ValueError:  # what was pasted is no address at all
            return None
        state, code = query.get("state", [""])[0], query.get("code", [""])[0]
        return code if code and hmac.compare_digest(state.encode(), self.state.encode()) else None
