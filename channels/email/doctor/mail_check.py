"""Header fields of a built mail, checked against RFC 5322, 2919, 3834, 8058 and providers."""

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr

from channels.email.doctor.finding import Finding, new_finding
from channels.email.settings import EmailSettings

_LINE_MAX = 998
_LIST_ID_MAX = 255
_FEEDBACK_FIELDS = 4
_GMAIL_CLIP_BYTES = 102_000
_SINGLE_FIELDS = (
    "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted",
    "Content-Language", "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Feedback-ID", "X-Auto-Response-Suppress",
)  # fmt: skip
_URI = re.compile(r"<([^<>\s]*)>")
MailCheck = Callable[[EmailMessage, EmailSettings], bool]


def examine(raw: bytes, settings: EmailSettings) -> Iterator[Finding]:
    """Findings in a subscription's mail, or one `mail_ok`."""
    mail = message_from_bytes(raw, policy=policy.default)
    broken = (name for name, check in _CHECKS.items() if not check(mail, settings))
    findings = [new_finding("mail_wrong", field=name) for name in broken]
    findings += [new_finding("mail_lines")] if _has_bad_lines(raw) else []
    findings += [new_finding("mail_large", size=len(raw))] if len(raw) > _GMAIL_CLIP_BYTES else []
    findings += _advice(mail, settings)
    yield from findings or [new_finding("mail_ok", count=len(_CHECKS))]


def _advice(mail: EmailMessage, settings: EmailSettings) -> Iterator[Finding]:
    """Settings that would improve the mail."""
    uris = _URI.findall(str(mail["List-Unsubscribe"]))
    if not uris[0].startswith("https://"):
        yield new_finding("mail_not_https", uri=uris[0].partition("/huy/")[0])
    if not settings.unsubscribe_to:
        yield new_finding("mail_no_mailto")
    if not settings.reply_to:
        yield new_finding("mail_no_reply", sender=settings.sender)
    if not settings.postal_address:
        yield new_finding("mail_no_address")


def _has_bad_lines(raw: bytes) -> bool:
    """Whether lines are too long, do not end in CRLF, or need 8BITMIME."""
    lines = raw.split(b"\r\n")
    longest = max(map(len, lines))
    return longest > _LINE_MAX or not raw.isascii() or any(set(line) & {10, 13} for line in lines)


def _occurs_once(name: str) -> MailCheck:
    return lambda mail, _: len(mail.get_all(name, [])) == 1


def _has_sender_name(mail: EmailMessage, settings: EmailSettings) -> bool:
    """Whether From has a name, and the address that the DNS records are about."""
    name, address = parseaddr(str(mail["From"]))
    return bool(name) and address == settings.sender


def _has_two_parts(mail: EmailMessage, _settings: EmailSettings) -> bool:
    kinds = [(part.get_content_type(), part.get_content_charset()) for part in mail.iter_parts()]
    return kinds == [("text/plain", "utf-8"), ("text/html", "utf-8")]


def _has_valid_unsubscribe(mail: EmailMessage, _settings: EmailSettings) -> bool:
    """Whether there are exactly one web address and at most one mail address."""
    schemes = [uri.partition(":")[0] for uri in _URI.findall(str(mail["List-Unsubscribe"]))]
    return schemes in (["https"], ["http"], ["https", "mailto"], ["http", "mailto"])


def _has_visible_unsubscribe(mail: EmailMessage, _settings: EmailSettings) -> bool:
    """Whether both parts show the unsubscribe link."""
    web = _URI.findall(str(mail["List-Unsubscribe"]))[0]
    bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
    return all(body is not None and web in body.get_content() for body in bodies)


_CHECKS: dict[str, MailCheck] = {
    **{name: _occurs_once(name) for name in _SINGLE_FIELDS},
    "From: name": _has_sender_name,
    "Message-ID: domain": (
        lambda mail, settings: str(mail["Message-ID"]).endswith(f"@{settings.domain}>")
    ),
    "Content-Type": _has_two_parts,
    "Auto-Submitted: auto-generated": lambda mail, _: mail["Auto-Submitted"] == "auto-generated",
    "List-Id: length": lambda mail, _: len(str(mail["List-Id"])) <= _LIST_ID_MAX,
    "List-Unsubscribe: URIs": _has_valid_unsubscribe,
    "List-Unsubscribe-Post: value": (
        lambda mail, _: mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    ),
    "List-Unsubscribe: body": _has_visible_unsubscribe,
    "Feedback-ID: fields": (
        lambda mail, _: 1 < len(str(mail["Feedback-ID"]).split(":")) <= _FEEDBACK_FIELDS
    ),
}
"""Each examined part → whether it is as it has to be."""
