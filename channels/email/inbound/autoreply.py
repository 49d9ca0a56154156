"""Recipients of automatic replies: people who wrote themselves, never machines (RFC 3834)."""

import re
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from contracts.base.addresses import is_mailable

HEADERS_MAX = 64 * 1024
MACHINE_HEADERS = (
    *("List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID", "X-Auto-Response-Suppress"),
    *("X-Autoreply", "X-Autorespond", "X-Loop"),
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
    is_named = recipient.casefold() in field_addresses(head, "To", "Cc")
    is_genuine = is_mailable(sender) and field_addresses(head, "From") == [sender.casefold()]
    return sender if is_named and is_genuine and not is_automatic(head, sender) else ""


def is_automatic(head: Message, sender: str) -> bool:
    """Whether a program wrote the mail."""
    return (
        any(head.get(name) is not None for name in MACHINE_HEADERS)
        or field_keyword(head, "Auto-Submitted") not in ("", "no")
        or field_keyword(head, "Precedence") in BULK_PRECEDENCES
        or head.get_content_type() == "multipart/report"
        or _MACHINE.match(sender.rpartition("@")[0]) is not None
    )


def field_keyword(head: Message, name: str) -> str:
    """First word of a field, in lower case."""
    return str(head.get(name, "")).partition(";")[0].strip().lower()


def field_addresses(head: Message, *names: str) -> list[str]:
    """The addresses of some fields, in lower case."""
    fields = [str(value) for name in names for value in head.get_all(name, [])]
    return [address.casefold() for _, address in getaddresses(fields) if address]
