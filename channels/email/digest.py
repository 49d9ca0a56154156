"""The mail of a digest: each item is a block that is drawn once; a reader's mail joins blocks."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from itertools import pairwise
from typing import NamedTuple

from markdown_it.token import Token
from markupsafe import Markup

from channels.base import Recipient
from channels.email import build, digest_names, guard, headers, markdown
from channels.email.build import House
from channels.email.digest_names import catalogue
from channels.email.headers import Encoded
from channels.email.letter import Letter, unit_name, written
from channels.email.mould import Marks, Mould, Slot, value
from channels.email.parts import drawn, part
from channels.email.render import own_values
from channels.email.window import Envelope
from contracts import keys
from contracts.digest import Digest
from contracts.publication import Publication, encode
from contracts.vietnam import VIETNAM

KEPT = 256
"""Choices of items whose joined blocks are kept: most readers share a few."""
SUMMARY_MAX = 400
_SPACES = re.compile(r"\s+")
_SENTENCES = re.compile(r"(.+?[.!?…](?:\s+.+?[.!?…])?)(?=\s|$)")
PARTS = {
    "digest.txt": (Slot.NAME_TEXT, Slot.ITEMS_TEXT),
    "digest.html": (Slot.NAME_HTML, Slot.ITEMS_HTML),
}


class Item(NamedTuple):
    """What a digest shows of one publication."""

    title: str
    about: str
    summary: str
    url: str
    language: str


class Chosen(NamedTuple):
    """What mails with the same items share."""

    subject: bytes
    text: bytes
    html: bytes


@dataclass(frozen=True, slots=True)
class Compiled:
    """A digest drawn once; blocks stand by the items' places."""

    mould: Mould
    blocks: Mapping[Slot, Mapping[int, bytes]]


class RenderedDigest:
    """One issue of a digest, drawn at first use."""

    def __init__(self, digest: Digest, house: House) -> None:
        self.digest = digest
        self.house = house
        self.compiled: Compiled | None = None
        self.chosen: OrderedDict[int, Chosen] = OrderedDict()

    def envelope(self, row: Recipient) -> Envelope:
        """One reader's mail. Raises guard.Unsafe, before anything is sent."""
        self.compiled = self.compiled or compiled(self.digest, self.house)
        address = guard.recipient(row.address)
        values = own_values(row, self.house)
        chosen = self.choice(self.compiled, row.picks)
        values[Slot.SUBJECT] = chosen.subject
        values[Slot.ITEMS_TEXT], values[Slot.ITEMS_HTML] = chosen.text, chosen.html
        return Envelope(address, self.compiled.mould.fill(values))

    def choice(self, compiled: Compiled, picks: int) -> Chosen:
        """What readers of the same items get alike; the choices that came last are kept."""
        if picks not in self.chosen:
            self.chosen[picks] = self.joined(compiled, picks)
            if len(self.chosen) > KEPT:
                self.chosen.popitem(last=False)
        return self.chosen[picks]

    def joined(self, compiled: Compiled, picks: int) -> Chosen:
        numbers = [number for number in self.digest.texts if picks >> number & 1]
        text, markup = (
            b"".join(compiled.blocks[slot][number] for number in numbers)
            for slot in (Slot.ITEMS_TEXT, Slot.ITEMS_HTML)
        )
        return Chosen(subject(self.digest, len(numbers)).encode(), text, markup)


def compiled(digest: Digest, house: House) -> Compiled:
    """Draw head, blocks and tail. Raises Unsafe."""
    letter = compose(digest, house)
    # An author can't write this seed into a text: it is a digest of the texts themselves.
    said = "".join(encode(one).decode() for one in digest.texts.values())
    marks = Marks(keys.digest(digest.key, said)[:24])
    items = [shown(one, house) for one in digest.texts.values()]
    mail = headers.message()
    for name, field in head(digest, letter, house, marks).items():
        mail[name] = field
    build.alternatives(mail, keys.digest("boundary", digest.key)[:24])
    blocks: dict[Slot, Mapping[int, bytes]] = {}
    for template, (name_slot, slot) in PARTS.items():
        own = around(house, marks) | {"name": marks.mark(name_slot)}
        found = drawn_blocks(template, letter, items, f"{marks.prefix}0", **own)
        blocks[slot] = dict(zip(digest.texts, found, strict=True))
        mail.attach(part(template, letter, marks, items=(), cut=marks.mark(slot), **own))
    return Compiled(Mould(mail.as_bytes(), marks), blocks)


def around(house: House, marks: Marks) -> dict[str, object]:
    """What the templates are told beside letter and items."""
    return {
        "token": marks.mark(Slot.LINK_BODY),
        "unsubscribe": house.unsubscribe_url,
        "manage": house.manage_url,
        "web": catalogue()["web"],
        **house.words,
    }


def drawn_blocks(
    template: str, letter: Letter, items: Sequence[Item], cut: str, **own: object
) -> Sequence[bytes]:
    """Each item as it stands in the part, in quoted-printable; a blank line ends it."""
    whole = drawn(template, letter, items=items, cut=cut, **own)
    blocks = whole.split(cut)[1:-1]
    return [value((block.strip() + "\n\n").encode()) for block in blocks]


def head(digest: Digest, letter: Letter, house: House, marks: Marks) -> Mapping[str, Encoded]:
    """The header fields; the list is that of all digests of this rhythm."""
    settings, issue = house.settings, digest.issue
    kind = f"digest-{issue.frequency}"
    fields = {
        "From": headers.mailbox("From", build.sender_name(letter, house), settings.sender),
        "To": Encoded(marks.mark(Slot.TO)),
        "Reply-To": build.reply_to(settings),
        "Subject": Encoded(marks.mark(Slot.SUBJECT)),
        "Date": Encoded(format_datetime(issue.at.astimezone(VIETNAM))),
        "Message-ID": Encoded(marks.mark(Slot.MESSAGE_ID)),
        "List-Id": headers.mailbox("List-Id", letter.topic, f"{kind}.{settings.domain}"),
        "List-Help": Encoded(f"<{house.subscription_url}>"),
        "List-Unsubscribe": build.ways_out(house, marks.mark(Slot.LINK)),
        "List-Unsubscribe-Post": Encoded("List-Unsubscribe=One-Click"),
        "Feedback-ID": Encoded(f"{digest.key}:{kind}:email:{build.FEEDBACK_SENDER}"),
        "Auto-Submitted": Encoded("auto-generated"),
        "X-Auto-Response-Suppress": Encoded("All"),
        "Content-Language": Encoded(letter.language),
    }
    return {name: value for name, value in fields.items() if value}


def compose(digest: Digest, house: House) -> Letter:
    """What stands around the items."""
    issue = digest.issue
    said = catalogue()[issue.frequency]
    known = {"since": written(issue.since), "at": written(issue.at)}
    title = digest_names.title(issue.digest_id)
    return Letter(
        language="vi",
        subject=title,
        sender_unit="",
        topic=said["list"],
        title=title,
        intro="",
        reason="",
        summary=catalogue()["summary"].format_map(known),
        html=Markup(""),
        plain="",
        lists=(),
        facts=(),
        url=f"{house.public_url}/",
    )


def subject(digest: Digest, count: int) -> Encoded:
    """The subject of a mail with so many items."""
    said = catalogue()["subject"].format(title=digest_names.title(digest.content_id), count=count)
    return headers.text("Subject", said)


def shown(publication: Publication, house: House) -> Item:
    unit = unit_name(publication, house.vocabulary)
    facts = [unit, written(publication.first_shown_at)]
    url = f"{house.public_url}/tin/{publication.content_id}"
    return Item(
        title=publication.title,
        about=", ".join(fact for fact in facts if fact),
        summary=publication.summary or beginning(publication.body, url),
        url=url,
        language=publication.language,
    )


def beginning(text: str, url: str) -> str:
    """The first two sentences of a body, in plain words on one line."""
    tokens = markdown.parse(text, url)
    prose = " ".join(paragraphs(tokens)) or markdown.plain(tokens)
    plain = _SPACES.sub(" ", prose).strip()
    found = _SENTENCES.match(plain)
    said = found[1] if found else plain
    return said if len(said) <= SUMMARY_MAX else f"{said[:SUMMARY_MAX].rsplit(' ', 1)[0]}…"


def paragraphs(tokens: Sequence[Token]) -> Iterator[str]:
    """The running text alone: no headings, lists or tables, and no addresses of links."""
    for opening, token in pairwise(tokens):
        if opening.type == "paragraph_open" and not opening.level:
            yield "".join(child.content or " " for child in token.children or () if shows(child))


def shows(child: Token) -> bool:
    return child.type in ("text", "code_inline", "softbreak", "hardbreak")
