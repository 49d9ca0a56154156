"""The mail of a publication, built once with marks where readers differ, then cut into a mould."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import quote

from channels.email import digest_names, headers
from channels.email.headers import Encoded
from channels.email.letter import Letter, compose, look, texts
from channels.email.mould import Marks, Mould, Slot
from channels.email.parts import part
from channels.email.settings import EmailSettings
from channels.email.unsubscribe import Signer
from contracts import keys
from contracts.publication import Publication, encode
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

FEEDBACK_SENDER = "loa"
PARTS = {"mail.txt": Slot.NAME_TEXT, "mail.html": Slot.NAME_HTML}


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

    @property
    def subscription_url(self) -> str:
        """The page that explains the subscription."""
        return f"{self.public_url}/dang-ky"

    @property
    def manage_url(self) -> str:
        """The page where readers ask for the way to their own subscription."""
        return f"{self.subscription_url}/quan-ly"

    @property
    def agency(self) -> str:
        """Who speaks in every mail."""
        return self.settings.sender_name or str(texts()["agency"])

    @property
    def words(self) -> Mapping[str, object]:
        """What every template is told beside its letter."""
        settings = self.settings
        return {
            "agency": self.agency,
            "postal": settings.postal_address,
            "answerable": bool(settings.reply_to),
        }


def threaded(publication: Publication, correction: bool) -> bool:
    """Whether the reader has mail that this one belongs to."""
    return correction and publication.revision > 1


def build(publication: Publication, correction: bool, house: House, digest_id: str = "") -> Mould:
    """Compile the mail for new readers, or for those who had an earlier one. Raises Unsafe.

    *digest_id*: the digest in which they had it.
    """
    chosen = look(publication, correction)
    letter = compose(publication, chosen, house.vocabulary, house.public_url)
    if digest_id:
        letter = replace(letter, intro=digest_names.corrected(chosen, digest_id))
    # An author can't write this seed into a text: it is a digest of the text itself.
    marks = Marks(keys.digest(encode(publication).decode(), letter.subject)[:24])
    mail = headers.message()
    for name, value in head(publication, letter, house, marks).items():
        mail[name] = value
    if threaded(publication, correction):
        mail["In-Reply-To"] = Encoded(marks.mark(Slot.LAST))
        mail["References"] = Encoded(marks.mark(Slot.THREAD))
    alternatives(mail, keys.digest(publication.key)[:24])
    own = {
        "token": marks.mark(Slot.LINK_BODY),
        "unsubscribe": house.unsubscribe_url,
        "manage": house.manage_url,
        **house.words,
    }
    for template, name in PARTS.items():
        mail.attach(part(template, letter, marks, name=marks.mark(name), **own))
    return Mould(mail.as_bytes(), marks)


def alternatives(mail: EmailMessage, seed: str) -> None:
    """Make *mail* one of parts that say the same.

    Quoted-printable never holds "=_", so no text can end a part.
    """
    mail["MIME-Version"] = Encoded("1.0")
    mail["Content-Type"] = Encoded(f'multipart/alternative; boundary="=_loa_{seed}"')


def head(
    publication: Publication, letter: Letter, house: House, marks: Marks
) -> Mapping[str, Encoded]:
    """The header fields, in the order in which readers of raw mail expect them."""
    settings = house.settings
    feedback = f"{publication.key}:{publication.topic}:email:{FEEDBACK_SENDER}"
    fields = {
        "From": headers.mailbox("From", sender_name(letter, house), settings.sender),
        "To": Encoded(marks.mark(Slot.TO)),
        "Reply-To": reply_to(settings),
        "Subject": headers.text("Subject", letter.subject),
        "Date": Encoded(format_datetime(publication.shown_at.astimezone(VIETNAM))),
        "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
        "List-Id": headers.mailbox(
            "List-Id", letter.topic, f"{publication.topic}.{settings.domain}"
        ),
        "List-Help": Encoded(f"<{house.subscription_url}>"),
        "List-Unsubscribe": ways_out(house, marks.mark(Slot.LINK)),
        "List-Unsubscribe-Post": Encoded("List-Unsubscribe=One-Click"),
        "Feedback-ID": Encoded(feedback),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded(letter.language),
    }
    return {name: value for name, value in fields.items() if value}


def ways_out(house: House, token: str) -> Encoded:
    """One web address, and one mail address where somebody reads it; both name the reader."""
    ways = [f"<{house.unsubscribe_url}{token}>"]
    if house.settings.unsubscribe_to:
        ways.append(f"<mailto:{quote(house.settings.unsubscribe_to, safe='@')}?subject={token}>")
    return Encoded(",\r\n ".join(ways))


def sender_name(letter: Letter, house: House) -> str:
    """The agency and the unit that speaks."""
    return f"{house.agency} - {letter.sender_unit}" if letter.sender_unit else house.agency


def reply_to(settings: EmailSettings) -> Encoded:
    name, address = settings.reply_mailbox
    return headers.mailbox("Reply-To", name, address) if address else Encoded("")
