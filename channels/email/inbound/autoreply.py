"""Recipients of automatic replies: people who wrote themselves, never machines (RFC 3834)."""

import re
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from channels.email.header_injection import is_mail_address

HEADERS_MAX = 64 * 1024
MACHINE_HEADERS = (
    "List-Id",
    "List-Unsubscribe",
    "List-Post",
    "Feedback-ID",
    "X-Auto-Response-Suppress",
    "X-Autoreply",
    "X-Autorespond",
    "X-Loop",
)
"""Headers of mails that a machine wrote."""
BULK_PRECEDENCES = ("bulk", "junk", "list", "auto_reply")
_MACHINE = re.compile(
    r"(?:mailer-daemon|postmaster|mail-daemon|no-?reply|do-?not-?reply|bounces?|owner)(?:[-+._]|$)"
    r"|.*-(?:request|bounces?|owner)$",
    re.IGNORECASE,
)


def autoreply_address(mail: bytes, sender: str, recipient: str) -> str:
    """Address to answer; empty if *mail* must not be answered.

    Envelope and From have to name the same address. A forger would need a server that accepts the
    envelope, so a third person gets no answer to a forged mail.
    """
    head = BytesHeaderParser().parsebytes(mail[:HEADERS_MAX])
    named = field_addresses(head, "From")
    if len(named) != 1 or named[0].casefold() != sender.casefold() or not is_mail_address(sender):
        return ""
    written_to = {one.casefold() for one in field_addresses(head, "To", "Cc")}
    if recipient.casefold() not in written_to or is_automatic(head, sender):
        return ""
    return sender


def is_automatic(head: Message, sender: str) -> bool:
    """Whether a program wrote the mail."""
    if any(head.get(name) is not None for name in MACHINE_HEADERS):
        return True
    if (
        field_keyword(head, "Auto-Submitted") not in ("", "no")
        or field_keyword(head, "Precedence") in BULK_PRECEDENCES
    ):
        return True
    if head.get_content_type() == "multipart/report":
        return True
    return _MACHINE.match(sender.rpartition("@")[0]) is not None


def field_keyword(head: Message, name: str) -> str:
    """First word of a field, in lower case."""
    return str(head.get(name, "")).partition(";")[0].strip().lower()


def field_addresses(head: Message, *names: str) -> list[str]:
    fields = [str(value) for name in names for value in head.get_all(name, [])]
    return [address for _, address in getaddresses(fields) if address]
