"""Mail of the canary: short, Vietnamese, to the operator's own mailbox."""

from binascii import b2a_qp
from email.utils import format_datetime

from channels.base import Canary
from channels.email import header_injection
from channels.email.render import headers
from channels.email.render.build import MailContext, reply_to
from channels.email.render.compiled import dot_stuffed
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import texts
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.base.times import VIETNAM


def canary_envelope(canary: Canary, context: MailContext) -> Envelope:
    """The canary's mail, ready for the relay. Raises UnsafeHeader."""
    address = header_injection.check_recipient(canary.target)
    settings, words = context.settings, texts()["canary"]
    at = canary.at.astimezone(VIETNAM)
    said = {"number": str(canary.number), "at": f"{at:%H:%M:%S ngày %d/%m/%Y}"}
    name = keys.digest("canary", str(canary.number), canary.at.isoformat())
    fields = {
        "From": headers.encode_mailbox(
            "From", settings.sender_name or texts()["agency"], settings.sender
        ),
        "To": EncodedHeader(canary.target),
        "Reply-To": reply_to(settings),
        "Subject": headers.encode_text("Subject", words["subject"].format(**said)),
        "Date": EncodedHeader(format_datetime(at)),
        "Message-ID": EncodedHeader(keys.message_id(name, settings.domain)),
        "Auto-Submitted": EncodedHeader("auto-generated"),
        "X-Auto-Response-Suppress": EncodedHeader("All"),
        "Content-Language": EncodedHeader("vi"),
        "MIME-Version": EncodedHeader("1.0"),
        "Content-Type": EncodedHeader('text/plain; charset="utf-8"'),
        "Content-Transfer-Encoding": EncodedHeader("quoted-printable"),
    }
    mail = headers.new_message()
    for field, value in fields.items():
        if value:
            mail[field] = value
    body = b2a_qp(words["body"].format(**said).encode()).replace(b"\n", b"\r\n")
    mail.set_payload(body.decode("ascii"))
    return Envelope(address, dot_stuffed(mail.as_bytes()))
