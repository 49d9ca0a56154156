"""A mail for one person: transactional, of no list, and drawn when it is sent."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import ClassVar

from markupsafe import Markup

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
from contracts.vietnam import VIETNAM


class Personal(ABC):
    """One mail; its person's address and the Message-ID come with the row."""

    name: ClassVar[str]
    """Of the two templates, text and HTML."""

    def __init__(self, house: House) -> None:
        self.house = house

    @abstractmethod
    def words(self) -> Letter:
        """What it says."""

    @property
    @abstractmethod
    def date(self) -> datetime:
        """The same at every try."""

    def own(self) -> Mapping[str, object]:
        """What its templates are told beside that."""
        return {}

    def envelope(self, row: Recipient) -> Envelope:
        """The mail. Raises guard.Unsafe, before anything is sent."""
        address = guard.recipient(row.address)
        message_id = keys.message_id(matched_key(row.delivery_key), self.house.settings.domain)
        values = {
            Slot.TO: headers.mailbox("To", "", row.address).encode(),
            Slot.MESSAGE_ID: message_id.encode(),
        }
        return Envelope(address, self.mould(row.delivery_key).fill(values))

    def mould(self, seed: str) -> Mould:
        """Compile the mail; *seed* is what nobody who wrote a text in it could know."""
        letter, marks = self.words(), Marks(keys.digest(self.name, seed)[:24])
        mail = headers.message()
        for name, value in self.head(letter, marks).items():
            mail[name] = value
        build.alternatives(mail, keys.digest("boundary", seed)[:24])
        for kind in ("txt", "html"):
            mail.attach(
                part(f"{self.name}.{kind}", letter, marks, **self.own(), **self.house.words)
            )
        return Mould(mail.as_bytes(), marks)

    def head(self, letter: Letter, marks: Marks) -> Mapping[str, Encoded]:
        settings, sender = self.house.settings, build.sender_name(letter, self.house)
        fields = {
            "From": headers.mailbox("From", sender, settings.sender),
            "To": Encoded(marks.mark(Slot.TO)),
            "Reply-To": build.reply_to(settings),
            "Subject": headers.text("Subject", letter.subject),
            "Date": Encoded(format_datetime(self.date.astimezone(VIETNAM))),
            "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
            "Auto-Submitted": Encoded("auto-generated"),
            "X-Auto-Response-Suppress": Encoded("All"),
            "Content-Language": Encoded(letter.language),
        }
        return {name: value for name, value in fields.items() if value}


def worded(
    subject: str, title: str, paragraphs: Sequence[str], *, unit: str = "", url: str = ""
) -> Letter:
    """A letter of nothing but paragraphs."""
    return Letter(
        language="vi",
        subject=subject,
        sender_unit=unit,
        topic="",
        title=title,
        intro="",
        reason="",
        summary="",
        html=Markup("\n").join(Markup("<p>{}</p>").format(text) for text in paragraphs),
        plain="\n\n".join(paragraphs),
        lists=(),
        facts=(),
        url=url,
    )
