"""Return paths that lead back to a row: `b+<place>=<mac>@<bounce domain>`, which nobody can forge.

A place names its row without naming anybody, `p<seq>.<batch>.<row>` as `consumers.mail.place` has
it; at its longest the local part has 59 of the 64 characters that SMTP allows.

A letter to one person is forgotten once it has left, so its place leads to no row: it has a keyed
number of the address and the day, `l<number>.<day>.0`. Whoever names an address can be told whether
the letter went there; nobody can tell the address from it.
"""

import hashlib
import hmac
import re
from datetime import date

MAC_BYTES = 10
BOX = "b"
"""The address without a place: for feedback loops, and for relays that rewrite return paths."""
LETTER = "l"
_PLACE = r"[a-z]\d{1,19}\.\d{1,7}\.\d{1,4}"
_LOCAL = re.compile(rf"{BOX}\+({_PLACE})=([0-9a-f]{{{2 * MAC_BYTES}}})", re.ASCII)
_ENVELOPE_ID = re.compile(rf"({_PLACE})\.([0-9a-f]{{{2 * MAC_BYTES}}})", re.ASCII)


class ReturnPaths:
    """Makes and recognises them; *key* has 16 to 32 bytes."""

    def __init__(self, key: bytes, domain: str) -> None:
        self.domain = domain.lower()
        self.at = f"@{self.domain}".encode()
        self.keyed = hashlib.blake2s(key=key, digest_size=MAC_BYTES)

    def path(self, place: str) -> tuple[bytes, bytes]:
        """A mail's return path, and its envelope id for relays that offer DSN."""
        named = place.encode()
        keyed = self.keyed.copy()
        keyed.update(named)
        mac = keyed.hexdigest().encode()
        return b"b+%b=%b%b" % (named, mac, self.at), b"%b.%b" % (named, mac)

    def mac(self, place: str) -> str:
        keyed = self.keyed.copy()
        keyed.update(place.encode())
        return keyed.hexdigest()

    def letter(self, address: str, day: date) -> str:
        """The place of a letter to *address* that was asked for on *day*."""
        return f"{LETTER}{self.number(address)}.{day.toordinal()}.0"

    def is_letter_to(self, place: str, address: str) -> bool:
        """Whether *place* is that of a letter to *address*; upper and lower case are one."""
        return place.partition(".")[0] == f"{LETTER}{self.number(address)}"

    def number(self, address: str) -> int:
        keyed = self.keyed.copy()
        keyed.update(b"letter\x00" + address.casefold().encode())
        return int.from_bytes(keyed.digest()[:8]) >> 1  # of 19 digits at most

    def place(self, address: str) -> str | None:
        """Where mail for *address* leads back to; None for any other, and for a forged one."""
        local, _, domain = address.lower().rpartition("@")
        return self.checked(_LOCAL.fullmatch(local)) if domain == self.domain else None

    def place_of_envelope(self, envelope_id: str) -> str | None:
        """The same for an envelope id that came back."""
        return self.checked(_ENVELOPE_ID.fullmatch(envelope_id.strip().lower()))

    def checked(self, found: re.Match[str] | None) -> str | None:
        if found is None or not hmac.compare_digest(found[2], self.mac(found[1])):
            return None
        return found[1]

    def is_box(self, address: str) -> bool:
        return address.lower() == f"{BOX}@{self.domain}"


def day_of_letter(place: str) -> date | None:
    """When the letter of *place* was asked for; None for the place of a row."""
    if not place.startswith(LETTER):
        return None
    return date.fromordinal(int(place.split(".")[1]))
