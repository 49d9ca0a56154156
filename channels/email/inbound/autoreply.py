"""Recipients of automatic replies: people who wrote themselves, never machines (RFC 3834)."""

import re
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from contracts.base.addresses import is_mailable

_HEADERS_MAX = 64 * 1024
_MACHINE_HEADERS = (
    *("List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID", "X-Auto-Response-Suppress"),
    *("X-Autoreply", "X-Autorespond", "X-Loop"),
)
"""Headers of mails that a machine wrote."""
_BULK_PRECEDENCES = ("bulk", "junk", "list", "auto_reply")
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
    head = BytesHeaderParser().parsebytes(mail[:_HEADERS_MAX])
    is_named = recipient.casefold() in _field_addresses(head, "To", "Cc")
    is_genuine = is_mailable(sender) and _field_addresses(head, "From") == [sender.casefold()]
    return sender if is_named and is_genuine and not _is_automatic(head, sender) else ""


def _is_automatic(head: Message, sender: str) -> bool:
    """Whether a program wrote the mail."""
    return (
        any(head.get(name) is not None for name in _MACHINE_HEADERS)
        or _field_keyword(head, "Auto-Submitted") not in ("", "no")
        or _field_keyword(head, "Precedence") in _BULK_PRECEDENCES
        or head.get_content_type() == "multipart/report"
        or _MACHINE.match(sender.rpartition("@")[0]) is not None
    )


def _field_keyword(head: Message, name: str) -> str:
    """First word of a field, in lower case."""
    return str(head.get(name, "")).partition(";")[0].strip().lower()


def _field_addresses(head: Message, *names: str) -> list[str]:
    """The addresses of some fields, in lower case."""
    fields = [str(value) for name in names for value in head.get_all(name, [])]
    return [address.casefold() for _, address in getaddresses(fields) if address]
