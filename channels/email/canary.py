"""The canary's mail: small, in Vietnamese, to the operator's own mailbox."""

from binascii import b2a_qp
from email.utils import format_datetime

from channels.base import Canary
from channels.email import guard, headers
from channels.email.build import House, reply_to
from channels.email.headers import Encoded
from channels.email.letter import texts
from channels.email.mould import stuffed
from channels.email.window import Envelope
from contracts import keys
from contracts.vietnam import VIETNAM


def envelope(canary: Canary, house: House) -> Envelope:
    """The mail, ready for the relay. Raises guard.Unsafe for an address that is none."""
    address = guard.recipient(canary.target)
    settings, words = house.settings, texts()["canary"]
    at = canary.at.astimezone(VIETNAM)
    said = {"number": str(canary.number), "at": f"{at:%H:%M:%S ngày %d/%m/%Y}"}
    name = keys.digest("canary", str(canary.number), canary.at.isoformat())
    fields = {
        "From": headers.mailbox("From", settings.sender_name or texts()["agency"], settings.sender),
        "To": Encoded(canary.target),
        "Reply-To": reply_to(settings),
        "Subject": headers.text("Subject", words["subject"].format(**said)),
        "Date": Encoded(format_datetime(at)),
        "Message-ID": Encoded(keys.message_id(name, settings.domain)),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded("vi"),
        "MIME-Version": Encoded("1.0"),
        "Content-Type": Encoded('text/plain; charset="utf-8"'),
        "Content-Transfer-Encoding": Encoded("quoted-printable"),
    }
    mail = headers.message()
    for field, value in fields.items():
        if value:
            mail[field] = value
    body = b2a_qp(words["body"].format(**said).encode()).replace(b"\n", b"\r\n")
    mail.set_payload(body.decode("ascii"))
    return Envelope(address, stuffed(mail.as_bytes()))
