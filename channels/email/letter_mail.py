"""The mail of a letter to one person: transactional, of no list, with one link that works once."""

import tomllib
from collections.abc import Mapping
from email.utils import format_datetime
from functools import cache
from typing import Any

from markupsafe import Markup

from channels.base import Recipient
from channels.email import build, guard, headers
from channels.email.build import House
from channels.email.headers import Encoded
from channels.email.letter import TEMPLATES
from channels.email.letter import Letter as Words
from channels.email.mould import Marks, Mould, Slot
from channels.email.parts import part
from channels.email.render import matched_key
from channels.email.window import Envelope
from contracts import keys
from contracts.letter import Letter
from contracts.vietnam import VIETNAM

PARTS = ("letter.txt", "letter.html")


class RenderedLetter:
    """One letter; its Message-ID comes with the row."""

    def __init__(self, letter: Letter, house: House) -> None:
        self.letter = letter
        self.house = house

    def envelope(self, row: Recipient) -> Envelope:
        """The mail. Raises guard.Unsafe, before anything is sent."""
        address = guard.recipient(row.address)
        message_id = keys.message_id(matched_key(row.delivery_key), self.house.settings.domain)
        values = {
            Slot.TO: headers.mailbox("To", "", row.address).encode(),
            Slot.MESSAGE_ID: message_id.encode(),
        }
        return Envelope(address, mould(self.letter, self.house, row.delivery_key).fill(values))


def mould(letter: Letter, house: House, seed: str) -> Mould:
    """Compile the mail; *seed* is what nobody who wrote a text in it could know."""
    words, marks = compose(letter, house), Marks(keys.digest("letter", seed)[:24])
    mail = headers.message()
    for name, value in head(letter, words, house, marks).items():
        mail[name] = value
    build.alternatives(mail, keys.digest("boundary", seed)[:24])
    said = catalogue()["kind"][letter.kind]
    own = {name: said[name] for name in ("button", "closing")}
    for template in PARTS:
        mail.attach(part(template, words, marks, **own, **house.words))
    return Mould(mail.as_bytes(), marks)


def head(letter: Letter, words: Words, house: House, marks: Marks) -> Mapping[str, Encoded]:
    settings = house.settings
    sender = build.sender_name(words, house)
    fields = {
        "From": headers.mailbox("From", sender, settings.sender),
        "To": Encoded(marks.mark(Slot.TO)),
        "Reply-To": build.reply_to(settings),
        "Subject": headers.text("Subject", words.subject),
        "Date": Encoded(format_datetime(letter.at.astimezone(VIETNAM))),
        "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded(words.language),
    }
    return {name: value for name, value in fields.items() if value}


def compose(letter: Letter, house: House) -> Words:
    """Say *letter* in the words of the catalogue."""
    said = catalogue()["kind"][letter.kind]
    known = {
        "agency": house.agency,
        "other": letter.other,
        "until": f"{letter.expires_at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}",
        "asked": f"{letter.at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}",
    }
    paragraphs = [text.format_map(known) for text in said["paragraphs"]]
    return Words(
        language="vi",
        subject=said["subject"].format_map(known),
        sender_unit="",
        topic="",
        title=said["title"].format_map(known),
        intro="",
        reason="",
        summary="",
        html=Markup("\n").join(Markup("<p>{}</p>").format(text) for text in paragraphs),
        plain="\n\n".join(paragraphs),
        lists=(),
        facts=(),
        url=f"{house.public_url}{letter.path}" if letter.path else "",
    )


@cache
def catalogue() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "letter.toml").read_text("utf-8"))
