"""The mail of a case notice: for one person, about one dossier, and no subscription to end."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime

from markupsafe import Markup

from channels import notices
from channels.base import Recipient
from channels.email import build, guard, headers
from channels.email.build import House
from channels.email.headers import Encoded
from channels.email.letter import Letter
from channels.email.mould import Marks, Mould, Slot
from channels.email.parts import part
from channels.email.render import matched_key
from channels.email.window import Envelope
from contracts import keys
from contracts.case import AcceptedNotice, CaseNotice
from contracts.vietnam import VIETNAM

PARTS = ("notice.txt", "notice.html")


class RenderedNotice:
    """One notice; its person's address and the Message-ID come with the row."""

    def __init__(self, notice: CaseNotice, house: House) -> None:
        self.notice = notice
        self.house = house

    def envelope(self, row: Recipient) -> Envelope:
        """The mail. Raises guard.Unsafe, before anything is sent."""
        address = guard.recipient(row.address)
        message_id = keys.message_id(matched_key(row.delivery_key), self.house.settings.domain)
        values = {
            Slot.TO: headers.mailbox("To", "", row.address).encode(),
            Slot.MESSAGE_ID: message_id.encode(),
        }
        return Envelope(address, mould(self.notice, self.house, row.delivery_key).fill(values))


def mould(notice: CaseNotice, house: House, seed: str) -> Mould:
    """Compile the mail; *seed* is what nobody who wrote a text in it could know."""
    letter, marks = compose(notice), Marks(keys.digest("notice", seed)[:24])
    mail = headers.message()
    for name, value in head(notice, letter, house, marks).items():
        mail[name] = value
    build.alternatives(mail, keys.digest("boundary", seed)[:24])
    for template in PARTS:
        mail.attach(part(template, letter, marks, **house.words))
    return Mould(mail.as_bytes(), marks)


def head(notice: CaseNotice, letter: Letter, house: House, marks: Marks) -> Mapping[str, Encoded]:
    settings = house.settings
    sender = build.sender_name(letter, house)
    fields = {
        "From": headers.mailbox("From", sender, settings.sender),
        "To": Encoded(marks.mark(Slot.TO)),
        "Reply-To": build.reply_to(settings),
        "Subject": headers.text("Subject", letter.subject),
        "Date": Encoded(format_datetime(date(notice).astimezone(VIETNAM))),
        "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded(letter.language),
    }
    return {name: value for name, value in fields.items() if value}


def date(notice: CaseNotice) -> datetime:
    """The same at every retry, and never that of a step which lies days back, or ahead."""
    return notice.accepted_at if isinstance(notice, AcceptedNotice) else notice.occurred_at


def compose(notice: CaseNotice) -> Letter:
    """Say *notice* in the words of the catalogue; the greeting is its first paragraph."""
    texts = notices.paragraphs(notice)
    return Letter(
        language="vi",
        subject=notices.subject(notice),
        sender_unit=notice.authority,
        topic="",
        title=notices.subject(notice),
        intro="",
        reason="",
        summary="",
        html=Markup("\n").join(Markup("<p>{}</p>").format(text) for text in texts),
        plain="\n\n".join(texts),
        lists=(),
        facts=(),
        url=notice.detail_url or "",
    )
