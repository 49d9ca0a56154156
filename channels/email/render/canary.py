"""Mail of the canary: short, Vietnamese, to the operator's own mailbox."""

from binascii import b2a_qp

from channels.base import Canary
from channels.email import header_injection
from channels.email.render import build, headers
from channels.email.render.build import MailContext
from channels.email.render.compiled import Placeholders, dot_stuffed
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import MailContent, texts
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.text.moments import format_moment_in_sentence


def canary_envelope(canary: Canary, context: MailContext) -> Envelope:
    """The canary's mail, ready for the relay. Raises UnsafeHeader."""
    address = header_injection.check_recipient(canary.target)
    words, at = texts()["canary"], format_moment_in_sentence(canary.at)
    values = {"number": str(canary.number), "at": at}
    name = keys.digest("canary", str(canary.number), canary.at.isoformat())
    content = MailContent(words["subject"].format(**values), title="", date=canary.at, url="")
    mail = headers.new_message(
        build.header_fields(content, context, Placeholders(""))
        | {
            "To": EncodedHeader(canary.target),
            "Message-ID": EncodedHeader(keys.message_id(name, context.settings.domain)),
            "MIME-Version": EncodedHeader("1.0"),
            "Content-Type": EncodedHeader('text/plain; charset="utf-8"'),
            "Content-Transfer-Encoding": EncodedHeader("quoted-printable"),
        }
    )
    body = b2a_qp(words["body"].format(**values).encode()).replace(b"\n", b"\r\n")
    mail.set_payload(body.decode("ascii"))
    return Envelope(address, dot_stuffed(mail.as_bytes()))
