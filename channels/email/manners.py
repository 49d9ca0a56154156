"""To whom an automatic answer may go: to a person's own mail, and never to a machine (RFC 3834)."""

import re
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

from channels.email.guard import mail_address

HEADERS_MAX = 64 * 1024
OF_MACHINES = (
    "List-Id",
    "List-Unsubscribe",
    "List-Post",
    "Feedback-ID",
    "X-Auto-Response-Suppress",
    "X-Autoreply",
    "X-Autorespond",
    "X-Loop",
)
"""A mail that has one of them was written by none who waits for an answer."""
BULK = ("bulk", "junk", "list", "auto_reply")
_MACHINE = re.compile(
    r"(?:mailer-daemon|postmaster|mail-daemon|no-?reply|do-?not-?reply|bounces?|owner)(?:[-+._]|$)"
    r"|.*-(?:request|bounces?|owner)$",
    re.IGNORECASE,
)


def writer(mail: bytes, sender: str, recipient: str) -> str:
    """Who wrote *mail* to *recipient*; empty for what must not be answered.

    Envelope and From have to name the same address, so that nobody is answered in whose name
    somebody else sends: a forger needs a server that lets them use that envelope.
    """
    head = BytesHeaderParser().parsebytes(mail[:HEADERS_MAX])
    named = addresses(head, "From")
    if len(named) != 1 or named[0].casefold() != sender.casefold() or not mail_address(sender):
        return ""
    written_to = {one.casefold() for one in addresses(head, "To", "Cc")}
    if recipient.casefold() not in written_to or by_machine(head, sender):
        return ""
    return sender


def by_machine(head: Message, sender: str) -> bool:
    """Whether a program wrote it, by whatever sign."""
    if any(head.get(name) is not None for name in OF_MACHINES):
        return True
    if word(head, "Auto-Submitted") not in ("", "no") or word(head, "Precedence") in BULK:
        return True
    if head.get_content_type() == "multipart/report":
        return True
    return _MACHINE.match(sender.rpartition("@")[0]) is not None


def word(head: Message, name: str) -> str:
    """The first word of a field, in lower case."""
    return str(head.get(name, "")).partition(";")[0].strip().lower()


def addresses(head: Message, *names: str) -> list[str]:
    fields = [str(value) for name in names for value in head.get_all(name, [])]
    return [address for _, address in getaddresses(fields) if address]
