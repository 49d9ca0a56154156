"""Mails as they come back: bounces and complaints in the forms that servers write them."""

ORIGINAL = """\
From: Bo Noi vu <thong-bao@moha.example>
To: {to}
Message-ID: <{message_id}@moha.example>
Feedback-ID: {publication}:x:email:loa
Subject: x
"""
BOUNCE = """\
From: Mail Delivery System <MAILER-DAEMON@relay.example>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="x1"

--x1
Content-Type: text/plain; charset=utf-8

I'm sorry. See http://192.0.2.1/5.9.9 for more.

--x1
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
{envelope}
Final-Recipient: rfc822; {to}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnostic}

--x1
Content-Type: text/rfc822-headers

{original}
--x1--
"""
COMPLAINT = """\
From: <feedback@provider.example>
Subject: FW: x
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="x1"

--x1
Content-Type: text/plain

This is an email abuse report.

--x1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
Original-Mail-From: <{path}>
Original-Rcpt-To: <{to}>

--x1
Content-Type: message/rfc822

{original}
the text of the mail
--x1--
"""
PLAIN = """\
From: {sender}
Subject: Returned mail
Content-Type: text/plain

{text}
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def original_mail(to="an@example.com", message_id="a" * 32, publication="tin-moi.1") -> str:
    return ORIGINAL.format(to=to, message_id=message_id, publication=publication)


def bounce_mail(status="5.1.1", **said) -> bytes:
    to = said.pop("to", "an@example.com")
    envelope = said.pop("envelope_id", "")
    words = {"action": "failed", "diagnostic": f"smtp; 550 {status} no"}
    words |= {"envelope": f"Original-Envelope-Id: {envelope}\n" if envelope else ""}
    words |= {key: said.pop(key) for key in ("action", "diagnostic") if key in said}
    return crlf(BOUNCE.format(to=to, status=status, original=original_mail(to, **said), **words))


def complaint_mail(path="", kind="abuse", to="an@example.com", **said) -> bytes:
    return crlf(COMPLAINT.format(path=path, kind=kind, to=to, original=original_mail(to, **said)))


def plain_mail(text: str, sender="MAILER-DAEMON@far.example") -> bytes:
    return crlf(PLAIN.format(text=text, sender=sender))
