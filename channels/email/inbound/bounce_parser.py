"""Parser of returned mails: bounces (RFC 3464), complaints (RFC 5965), or neither.

Only facts leave this module. Free text is searched for a status code, for nothing else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes, message_from_string
from email.message import Message
from email.utils import getaddresses, parseaddr
from enum import StrEnum
from itertools import islice

_PARTS_MAX = 50
_BLOCKS_MAX = 100
_BOUNDARIES_MAX = 20
_TEXT_MAX = 64 * 1024
_STATUS_CODE = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_VAGUE_CODES = ("", "5.0.0", "5.2.0", "5.3.0")
_MESSAGE_CODE = "5.6.0"
"""RFC 3463: some problem of the message."""
_AFTER_DATA = re.compile(r"in reply to end of DATA|after (?:pipelined )?end of data", re.IGNORECASE)
"""Postfix, Exim."""
_MESSAGE_ID = re.compile(r"<([a-z2-7]{32})@")
_BY_MACHINE = re.compile(r"(?:mailer-daemon|postmaster|mail-daemon|mdaemon)(?:@|$)", re.IGNORECASE)
_FEEDBACK_ID = re.compile(r"([a-z0-9-]{1,64}\.\d{1,9}):", re.ASCII)
_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_ORIGINALS = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")


class ReportKind(StrEnum):
    """Kind of a returned mail."""

    BOUNCE = "bounce"  # it was not delivered, and will not be
    DELAY = "delay"  # not yet
    COMPLAINT = "complaint"  # its reader calls it spam
    NO_REPORT = "nothing"  # no report: an answer, an absence, a success


@dataclass(frozen=True, slots=True)
class MailReport:
    """Facts of a report; `guessed`: read from free text. Store addresses as MAC only.

    *final_recipient*: the address tried last, a different one after forwarding.
    """

    kind: ReportKind = ReportKind.NO_REPORT
    code: str = ""
    guessed: bool = False
    envelope_id: str = ""
    return_path: str = ""
    message_id: str = ""  # the left side of our own Message-IDs
    publication_key: str = ""  # <content_id>.<revision>, as our own Feedback-ID has it
    addresses: tuple[str, ...] = ()
    final_recipient: str = ""


NO_REPORT = MailReport()


def parse_report(raw: bytes, sender: str) -> MailReport:
    """Parse the mail *raw* from *sender* (empty: the null return path).

    Raises ValueError for too many boundaries: each is searched in each line, which takes long.
    """
    if raw.lower().count(b"boundary") > _BOUNDARIES_MAX:
        raise ValueError("too many parts in parts")
    mail = message_from_bytes(raw)
    parts = list(islice(mail.walk(), _PARTS_MAX))
    original = next(filter(None, map(_original_headers, parts)), Message())
    for part in parts:
        if part.get_content_type() in _STATUS_TYPES:
            report = _parse_bounce(list(islice(_field_groups(part), _BLOCKS_MAX)), original)
            return _judge_vague_code(report, parts)
        if part.get_content_type() == "message/feedback-report":
            return _parse_complaint(next(_field_groups(part), Message()), original)
    by_machine = _BY_MACHINE.match(parseaddr(str(mail.get("From", "")))[1])
    return _guess_bounce(parts, original) if by_machine and not sender else NO_REPORT


def _judge_vague_code(report: MailReport, parts: list[Message]) -> MailReport:
    """A bounce without a telling code is about the message if it answered the whole mail.

    The words that reporting servers add say so; they prove nothing against the mailbox.
    """
    if report.kind is not ReportKind.BOUNCE or report.code not in _VAGUE_CODES:
        return report
    texts = " ".join(_part_text(part) for part in parts if part.get_content_type() == "text/plain")
    is_whole = _AFTER_DATA.search(" ".join(texts.split()))
    return replace(report, code=_MESSAGE_CODE) if is_whole else report


def _field_groups(part: Message) -> Iterator[Message]:
    payload = part.get_payload()
    for group in payload if isinstance(payload, list) else []:
        if not isinstance(group, Message):
            continue
        yield group
        rest = group.get_payload()
        if isinstance(rest, str) and part.get_content_type() != _STATUS_TYPES[0]:
            yield from map(message_from_string, filter(None, rest.strip().split("\n\n")))


def _original_headers(part: Message) -> Message | None:
    """Headers of our own mail, if *part* returns them."""
    if part.get_content_type() not in _ORIGINALS:
        return None
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    text = _part_text(part)
    return message_from_string(text) if text else None


def _parse_bounce(groups: list[Message], original: Message) -> MailReport:
    """Parse a delivery status; the worst status counts."""
    actions = {_field_value(group, "Action").lower(): group for group in reversed(groups)}
    kinds = {"failed": ReportKind.BOUNCE, "delayed": ReportKind.DELAY}
    worst = next((action for action in kinds if action in actions), "")
    if not worst:
        return NO_REPORT
    group = actions[worst]
    fields = (_field_value(group, f"{name}-Recipient") for name in ("Original", "Final"))
    first, final = (text.rpartition(";")[2].strip().strip("<>") for text in fields)  # `rfc822; a@b`
    report = MailReport(
        kinds[worst],
        status_code(group),
        envelope_id=_field_value(groups[0], "Original-Envelope-Id"),
        addresses=(first, final),
        final_recipient=final,
    )
    return _with_original(report, original)


def _parse_complaint(group: Message, original: Message) -> MailReport:
    """Parse a spam complaint; other feedback is ignored."""
    if _field_value(group, "Feedback-Type").lower() not in ("abuse", "fraud", "opt-out"):
        return NO_REPORT
    path = _field_value(group, "Original-Mail-From") or str(original.get("Return-Path", ""))
    recipients = getaddresses(group.get_all("Original-Rcpt-To", []))
    report = MailReport(
        ReportKind.COMPLAINT,
        envelope_id=_field_value(group, "Original-Envelope-Id"),
        return_path=path.strip().strip("<>"),
        addresses=tuple(address for _, address in recipients),
    )
    return _with_original(report, original)


def _guess_bounce(parts: list[Message], original: Message) -> MailReport:
    """Guess a bounce without standard format from a code in its text."""
    texts = (_part_text(part) for part in parts if part.get_content_type() == "text/plain")
    code = _STATUS_CODE.search(" ".join(texts)[:_TEXT_MAX])
    if not code or code[1].startswith("2"):
        return NO_REPORT
    kind = ReportKind.BOUNCE if code[1].startswith("5") else ReportKind.DELAY
    return _with_original(MailReport(kind, code[1], guessed=True), original)


def status_code(group: Message) -> str:
    """Status of one recipient; the remote server's code if the status is too vague."""
    status = _STATUS_CODE.search(_field_value(group, "Status"))
    code = status[1] if status else ""
    if code and not code.endswith(".0.0"):
        return code
    remote = _STATUS_CODE.search(_field_value(group, "Diagnostic-Code"))
    return remote[1] if remote else code


def _with_original(report: MailReport, original: Message) -> MailReport:
    feedback_id = _FEEDBACK_ID.match(_field_value(original, "Feedback-ID"))
    message_id = _MESSAGE_ID.match(_field_value(original, "Message-ID"))
    recipients = [address for _, address in getaddresses([_field_value(original, "To")])]
    return replace(
        report,
        message_id=message_id[1] if message_id else "",
        publication_key=feedback_id[1] if feedback_id else "",
        addresses=tuple(  # feedback loops redact some (RFC 6590)
            address
            for address in (*report.addresses, *recipients)
            if "@" in address and "redacted" not in address.lower()
        ),
    )


def _field_value(group: Message, name: str) -> str:
    """A field on one line; empty if missing."""
    return " ".join(str(group.get(name, "")).split())[:998]


def _part_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace")[:_TEXT_MAX] if isinstance(payload, bytes) else ""
