"""Mail of a digest: items are rendered once as blocks, a recipient's mail joins blocks."""

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
from channels.email import header_injection
from channels.email.render import build, headers, markdown, message
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders, encode_value
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import (
    MailContent,
    digest_texts,
    format_moment_in_sentence,
    unit_name,
)
from channels.email.render.parts import render_part, render_template
from channels.email.render.publication import recipient_values
from channels.email.smtp.window import Envelope
from contracts import keys
from contracts.base.times import VIETNAM
from contracts.publication import Publication, encode
from contracts.subscriptions.digest import Digest

SELECTIONS_CACHED = 256
"""Choices of items whose joined blocks are kept: most readers share a few."""
SUMMARY_MAX = 400
_SPACES = re.compile(r"\s+")
_SENTENCES = re.compile(r"(.+?[.!?…](?:\s+.+?[.!?…])?)(?=\s|$)")
PART_PLACEHOLDERS = {
    "digest.txt": (Placeholder.NAME_TEXT, Placeholder.ITEMS_TEXT),
    "digest.html": (Placeholder.NAME_HTML, Placeholder.ITEMS_HTML),
}


class DigestItem(NamedTuple):
    """Texts of one publication in a digest."""

    title: str
    about: str
    summary: str
    url: str
    language: str


class ItemSelection(NamedTuple):
    """Parts shared by mails with the same items."""

    subject: bytes
    text: bytes
    html: bytes


@dataclass(frozen=True, slots=True)
class CompiledDigest:
    """A digest rendered once; blocks by item number."""

    mail: CompiledMail
    blocks: Mapping[Placeholder, Mapping[int, bytes]]


class RenderedDigest:
    """One issue of a digest, compiled at first use."""

    def __init__(self, digest: Digest, context: MailContext) -> None:
        self.digest = digest
        self.context = context
        self.compiled: CompiledDigest | None = None
        self.selections: OrderedDict[int, ItemSelection] = OrderedDict()

    def envelope(self, row: Recipient) -> Envelope:
        """Mail of one recipient. Raises UnsafeHeader before anything is sent."""
        self.compiled = self.compiled or compile_digest(self.digest, self.context)
        address = header_injection.check_recipient(row.address)
        values = recipient_values(row, self.context)
        chosen = self.selection(self.compiled, row.picks)
        values[Placeholder.SUBJECT] = chosen.subject
        values[Placeholder.ITEMS_TEXT], values[Placeholder.ITEMS_HTML] = chosen.text, chosen.html
        return Envelope(address, self.compiled.mail.fill(values))

    def selection(self, compiled: CompiledDigest, picks: int) -> ItemSelection:
        """Parts for readers of the same items; a cache holds the most recent ones."""
        if picks not in self.selections:
            self.selections[picks] = self.join_items(compiled, picks)
            if len(self.selections) > SELECTIONS_CACHED:
                self.selections.popitem(last=False)
        return self.selections[picks]

    def join_items(self, compiled: CompiledDigest, picks: int) -> ItemSelection:
        numbers = [number for number in self.digest.texts if picks >> number & 1]
        text, markup = (
            b"".join(compiled.blocks[slot][number] for number in numbers)
            for slot in (Placeholder.ITEMS_TEXT, Placeholder.ITEMS_HTML)
        )
        return ItemSelection(digest_subject(self.digest, len(numbers)).encode(), text, markup)


def compile_digest(digest: Digest, context: MailContext) -> CompiledDigest:
    """Render frame and blocks. Raises UnsafeHeader."""
    content = compose_frame(digest, context)
    # An author can't write this seed into a text: it is a digest of the texts themselves.
    said = "".join(encode(one).decode() for one in digest.texts.values())
    placeholders = Placeholders(keys.digest(digest.key, said)[:24])
    items = [digest_item(one, context) for one in digest.texts.values()]
    mail = headers.new_message()
    for name, field in header_fields(digest, content, context, placeholders).items():
        mail[name] = field
    build.make_alternative(mail, keys.digest("boundary", digest.key)[:24])
    blocks: dict[Placeholder, Mapping[int, bytes]] = {}
    for template, (name_slot, slot) in PART_PLACEHOLDERS.items():
        own = template_values(context, placeholders) | {"name": placeholders.marker(name_slot)}
        found = render_items(template, content, items, f"{placeholders.prefix}0", **own)
        blocks[slot] = dict(zip(digest.texts, found, strict=True))
        mail.attach(
            render_part(
                template, content, placeholders, items=(), cut=placeholders.marker(slot), **own
            )
        )
    return CompiledDigest(CompiledMail(mail.as_bytes(), placeholders), blocks)


def template_values(context: MailContext, placeholders: Placeholders) -> dict[str, object]:
    """Values of the templates beside content and items."""
    return {
        "token": placeholders.marker(Placeholder.UNSUBSCRIBE_TOKEN_BODY),
        "unsubscribe": context.unsubscribe_url,
        "manage": context.manage_url,
        "web": digest_texts()["web"],
        **context.template_values,
    }


def render_items(
    template: str, content: MailContent, items: Sequence[DigestItem], cut: str, **own: object
) -> Sequence[bytes]:
    """Each item as a quoted-printable block that ends with a blank line."""
    whole = render_template(template, content, items=items, cut=cut, **own)
    blocks = whole.split(cut)[1:-1]
    return [encode_value((block.strip() + "\n\n").encode()) for block in blocks]


def header_fields(
    digest: Digest, content: MailContent, context: MailContext, placeholders: Placeholders
) -> Mapping[str, EncodedHeader]:
    """Header fields; the list is that of all digests of this frequency."""
    settings, issue = context.settings, digest.issue
    kind = f"digest-{issue.frequency}"
    fields = {
        "From": headers.encode_mailbox(
            "From", build.sender_name(content, context), settings.sender
        ),
        "To": EncodedHeader(placeholders.marker(Placeholder.TO)),
        "Reply-To": build.reply_to(settings),
        "Subject": EncodedHeader(placeholders.marker(Placeholder.SUBJECT)),
        "Date": EncodedHeader(format_datetime(issue.at.astimezone(VIETNAM))),
        "Message-ID": EncodedHeader(placeholders.marker(Placeholder.MESSAGE_ID)),
        "List-Id": headers.encode_mailbox("List-Id", content.topic, f"{kind}.{settings.domain}"),
        "List-Help": EncodedHeader(f"<{context.subscription_url}>"),
        "List-Unsubscribe": build.list_unsubscribe(
            context, placeholders.marker(Placeholder.UNSUBSCRIBE_TOKEN)
        ),
        "List-Unsubscribe-Post": EncodedHeader("List-Unsubscribe=One-Click"),
        "Feedback-ID": EncodedHeader(f"{digest.key}:{kind}:email:{build.FEEDBACK_SENDER}"),
        "Auto-Submitted": EncodedHeader("auto-generated"),
        "X-Auto-Response-Suppress": EncodedHeader("All"),
        "Content-Language": EncodedHeader(content.language),
    }
    return {name: value for name, value in fields.items() if value}


def compose_frame(digest: Digest, context: MailContext) -> MailContent:
    """Content around the items."""
    issue = digest.issue
    said = digest_texts()[issue.frequency]
    known = {
        "since": format_moment_in_sentence(issue.since),
        "at": format_moment_in_sentence(issue.at),
    }
    title = message.digest_title(issue.digest_id)
    return MailContent(
        language="vi",
        subject=title,
        sender_unit="",
        topic=said["list"],
        title=title,
        intro="",
        reason="",
        summary=digest_texts()["summary"].format_map(known),
        html=Markup(""),
        plain="",
        lists=(),
        facts=(),
        url=f"{context.public_url}/",
    )


def digest_subject(digest: Digest, count: int) -> EncodedHeader:
    """Subject of a mail with *count* items."""
    said = digest_texts()["subject"].format(
        title=message.digest_title(digest.content_id), count=count
    )
    return headers.encode_text("Subject", said)


def digest_item(publication: Publication, context: MailContext) -> DigestItem:
    unit = unit_name(publication, context.vocabulary)
    facts = [unit, format_moment_in_sentence(publication.first_shown_at)]
    url = f"{context.public_url}/tin/{publication.content_id}"
    return DigestItem(
        title=publication.title,
        about=", ".join(fact for fact in facts if fact),
        summary=publication.summary or opening_sentences(publication.body, url),
        url=url,
        language=publication.language,
    )


def opening_sentences(text: str, url: str) -> str:
    """First two sentences of a body, as plain text on one line."""
    tokens = markdown.parse(text, url)
    prose = " ".join(running_text(tokens)) or markdown.render_text(tokens)
    plain = _SPACES.sub(" ", prose).strip()
    found = _SENTENCES.match(plain)
    said = found[1] if found else plain
    return said if len(said) <= SUMMARY_MAX else f"{said[:SUMMARY_MAX].rsplit(' ', 1)[0]}…"


def running_text(tokens: Sequence[Token]) -> Iterator[str]:
    """Text of paragraphs: no headings, lists or tables, no addresses of links."""
    for opening, token in pairwise(tokens):
        if opening.type == "paragraph_open" and not opening.level:
            yield "".join(
                child.content or " " for child in token.children or () if is_visible_text(child)
            )


def is_visible_text(child: Token) -> bool:
    return child.type in ("text", "code_inline", "softbreak", "hardbreak")
