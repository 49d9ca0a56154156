"""Header and body text of a raw mail."""

import re
from contextlib import suppress
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header


def header_text(raw: bytes, field: str) -> str:
    """A header's text, its encoded words joined as RFC 2047 says."""
    value = str(message_from_bytes(raw.partition(b"\r\n\r\n")[0]).get(field, ""))
    with suppress(HeaderParseError, LookupError, ValueError):
        value = str(make_header(decode_header(value)))
    return re.sub(r"\s*[\r\n]\s*", " ", value)


def body_text(raw: bytes, subtype: str) -> str:
    """The text or HTML of a mail; empty when it has none."""
    part = message_from_bytes(raw, policy=policy.default).get_body((subtype,))
    payload = part.get_payload(decode=True) if part else b""
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
