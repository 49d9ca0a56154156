"""Signed return paths that name a ledger row: `b+<row ref>=<mac>@<bounce domain>`.

A row reference has no address: `p<seq>.<batch>.<row>` as in `consumers.ledger.row_ref`. At its
longest the local part has 59 of the 64 characters that SMTP allows.

A transactional mail has no ledger row after delivery. Its reference has a keyed number of the
address and the day: `l<number>.<day>.0`. The number confirms a given address; an address can't be
read from the number.
"""

import hashlib
import hmac
import re
from datetime import date

_MAC_BYTES = 10
REPORTS_LOCAL_PART = "b"
"""The address without a reference: for feedback loops and relays that rewrite return paths."""
_TRANSACTIONAL_PREFIX = "l"
_ROW_REF = r"[a-z]\d{1,19}\.\d{1,7}\.\d{1,4}"
_LOCAL = re.compile(rf"{REPORTS_LOCAL_PART}\+({_ROW_REF})=([0-9a-f]{{{2 * _MAC_BYTES}}})", re.ASCII)
_ENVELOPE_ID = re.compile(rf"({_ROW_REF})\.([0-9a-f]{{{2 * _MAC_BYTES}}})", re.ASCII)


class ReturnPaths:
    """Makes and verifies return paths; *key* has 16 to 32 bytes."""

    def __init__(self, key: bytes, domain: str) -> None:
        self.domain = domain.lower()
        self.at_domain = f"@{self.domain}".encode()
        self.keyed_hash = hashlib.blake2s(key=key, digest_size=_MAC_BYTES)

    def return_path(self, row_ref: str) -> tuple[bytes, bytes]:
        """A mail's return path, and its envelope id for relays that offer DSN."""
        ref, mac = row_ref.encode(), self.mac(row_ref).encode()
        return b"b+%b=%b%b" % (ref, mac, self.at_domain), b"%b.%b" % (ref, mac)

    def mac(self, row_ref: str) -> str:
        keyed = self.keyed_hash.copy()
        keyed.update(row_ref.encode())
        return keyed.hexdigest()

    def transactional_ref(self, address: str, day: date) -> str:
        """Reference of a transactional mail to *address* that was requested on *day*."""
        return f"{_TRANSACTIONAL_PREFIX}{self.address_number(address)}.{day.toordinal()}.0"

    def is_transactional_to(self, row_ref: str, address: str) -> bool:
        """Whether *row_ref* belongs to a transactional mail to *address*, in any case."""
        return row_ref.partition(".")[0] == f"{_TRANSACTIONAL_PREFIX}{self.address_number(address)}"

    def address_number(self, address: str) -> int:
        keyed = self.keyed_hash.copy()
        keyed.update(b"letter\x00" + address.casefold().encode())
        return int.from_bytes(keyed.digest()[:8]) >> 1  # of 19 digits at most

    def row_ref_of_address(self, address: str) -> str | None:
        """Reference in a return path; None for any other address, and for a forged one."""
        local, _, domain = address.lower().rpartition("@")
        return self.verified_row_ref(_LOCAL.fullmatch(local)) if domain == self.domain else None

    def row_ref_of_envelope_id(self, envelope_id: str) -> str | None:
        """Reference in a returned envelope id; None for a forged one."""
        return self.verified_row_ref(_ENVELOPE_ID.fullmatch(envelope_id.strip().lower()))

    def verified_row_ref(self, match: re.Match[str] | None) -> str | None:
        if match is None or not hmac.compare_digest(match[2], self.mac(match[1])):
            return None
        return match[1]

    def is_reports_address(self, address: str) -> bool:
        return address.lower() == f"{REPORTS_LOCAL_PART}@{self.domain}"


def transactional_day(row_ref: str) -> date | None:
    """Day of a transactional mail's reference; None for a row's reference."""
    if not row_ref.startswith(_TRANSACTIONAL_PREFIX):
        return None
    return date.fromordinal(int(row_ref.split(".")[1]))
