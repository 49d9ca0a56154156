"""Guard against header and command injection into mails and SMTP."""

import re

from channels.email.errors import UnsafeHeader
from contracts.base.addresses import is_mailable

_HEADER_VALUE_MAX = 998
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_header_text(field: str, value: str) -> str:
    """*value* if it is one line of printable text. Raises UnsafeHeader."""
    if _UNSAFE.search(value) or len(value) > _HEADER_VALUE_MAX:
        raise UnsafeHeader(field)
    return value


def check_recipient(value: str) -> bytes:
    """Address in the form of RCPT TO and To. Raises UnsafeHeader."""
    if not is_mailable(value):
        raise UnsafeHeader("address")
    return value.encode("ascii")
