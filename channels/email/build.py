"""The mail of a publication, built once with marks where readers differ, then cut into a mould."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from channels.email import headers
from channels.email.headers import Encoded
from channels.email.letter import TEMPLATES, Letter, compose, look, texts
from channels.email.mould import Marks, Mould, Slot, body
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import Signer
from contracts import keys
from contracts.publication import Publication, encode
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

FEEDBACK_SENDER = "loa"
PARTS = {"plain": ("mail.txt", Slot.NAME_TEXT), "html": ("mail.html", Slot.NAME_HTML)}
_BLANK_LINES = re.compile(r"\n{3,}")
_JINJA = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class House:
    """What is the same in all mails: sender, web address, words, signer."""

    settings: EmailSettings
    public_url: str
    signer: Signer
    vocabulary: Vocabulary

    @property
    def unsubscribe_url(self) -> str:
        return f"{self.public_url}/huy/"


def threaded(publication: Publication, correction: bool) -> bool:
    """Whether the reader has mail that this one belongs to."""
    return correction and publication.revision > 1


def build(publication: Publication, correction: bool, house: House) -> Mould:
    """Compile the mail for new readers, or for those who had an earlier one. Raises Unsafe."""
    letter = compose(publication, look(publication, correction), house.vocabulary, house.public_url)
    # An author can't write this seed into a text: it is a digest of the text itself.
    marks = Marks(keys.digest(encode(publication).decode(), letter.subject)[:24])
    mail = headers.message()
    for name, value in head(publication, letter, house, marks).items():
        mail[name] = value
    if threaded(publication, correction):
        mail["In-Reply-To"] = Encoded(marks.mark(Slot.LAST))
        mail["References"] = Encoded(marks.mark(Slot.THREAD))
    alternatives(mail, keys.digest(publication.key)[:24])
    for kind, (template, name) in PARTS.items():
        own = {
            "name": marks.mark(name),
            "token": marks.mark(Slot.LINK_BODY),
            "unsubscribe": house.unsubscribe_url,
        }
        mail.attach(part(kind, template, letter, marks, **own))
    return Mould(mail.as_bytes(), marks)


def alternatives(mail: EmailMessage, seed: str) -> None:
    """Make *mail* one of parts that say the same.

    Quoted-printable never holds "=_", so no text can end a part.
    """
    mail["MIME-Version"] = "1.0"
    mail["Content-Type"] = Encoded(f'multipart/alternative; boundary="=_loa_{seed}"')


def head(
    publication: Publication, letter: Letter, house: House, marks: Marks
) -> Mapping[str, Encoded]:
    """The header fields, in the order in which readers of raw mail expect them."""
    settings = house.settings
    domain = settings.domain
    link = f"<{house.unsubscribe_url}{marks.mark(Slot.LINK)}>"
    feedback = f"{publication.key}:{publication.topic}:email:{FEEDBACK_SENDER}"
    fields = {
        "From": headers.mailbox("From", sender_name(letter, settings), settings.sender),
        "To": Encoded(marks.mark(Slot.TO)),
        "Reply-To": reply_to(settings),
        "Subject": headers.text("Subject", letter.subject),
        "Date": Encoded(format_datetime(publication.released_at.astimezone(VIETNAM))),
        "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
        "List-Id": headers.mailbox("List-Id", letter.topic, f"{publication.topic}.{domain}"),
        "List-Unsubscribe": Encoded(link),
        "List-Unsubscribe-Post": Encoded("List-Unsubscribe=One-Click"),
        "Feedback-ID": Encoded(feedback),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded(letter.language),
    }
    return {name: value for name, value in fields.items() if value}


def sender_name(letter: Letter, settings: EmailSettings) -> str:
    """The agency and the unit that speaks."""
    agency = settings.sender_name or texts()["agency"]
    return f"{agency} - {letter.sender_unit}" if letter.sender_unit else agency


def reply_to(settings: EmailSettings) -> Encoded:
    name, address = settings.reply_mailbox
    return headers.mailbox("Reply-To", name, address) if address else Encoded("")


def part(kind: str, template: str, letter: Letter, marks: Marks, **own: str) -> EmailMessage:
    """The text or the HTML, as quoted-printable: it passes every relay unchanged."""
    written = _JINJA.get_template(template).render(letter=letter, texts=texts(), **own)
    made = headers.message()
    made["Content-Type"] = f'text/{kind}; charset="utf-8"'
    made["Content-Transfer-Encoding"] = "quoted-printable"
    made.set_payload(body(_BLANK_LINES.sub("\n\n", written), marks))
    return made
