"""Mail of a digest: items are rendered once as blocks, a recipient's mail joins blocks."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from markdown_it.token import Token

from channels.base import Recipient
from channels.email import header_injection
from channels.email.render import build, headers, markdown, message
from channels.email.render.build import MailContext
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders, encode_value
from channels.email.render.headers import EncodedHeader
from channels.email.render.message import MailContent, digest_texts, topic_name, unit_name
from channels.email.render.parts import new_part, render_template
from channels.email.render.publication import recipient_values
from channels.email.smtp.window import Envelope
from channels.markdown_text import indented_text
from contracts import keys
from contracts.interruptions.wording import summary_of
from contracts.publication import Publication, encode
from contracts.subscriptions.digest import Digest
from contracts.text.moments import format_moment_in_sentence

SELECTIONS_CACHED = 256
"""Choices of items whose joined blocks are kept: most readers share a few."""
_CORRECTIONS_PATH = "/muc/dinh-chinh/"
_SUMMARY_MAX = 400
_SPACES = re.compile(r"\s+")
_SENTENCES = re.compile(r"(.+?[.!?…](?:\s+.+?[.!?…])?)(?=\s|$)")
_PART_PLACEHOLDERS = {
    "digest.txt": (Placeholder.NAME_TEXT, Placeholder.ITEMS_TEXT),
    "digest.html": (Placeholder.NAME_HTML, Placeholder.ITEMS_HTML),
}


class DigestItem(NamedTuple):
    """Texts of one publication in a digest."""

    title: str
    about: str
    reason: str
    summary: str
    url: str
    language: str


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
        self.selections: OrderedDict[int, dict[Placeholder, bytes]] = OrderedDict()

    @cached_property
    def compiled(self) -> CompiledDigest:
        """Frame and blocks. Raises UnsafeHeader."""
        return _compile_digest(self.digest, self.context)

    def envelope(self, row: Recipient) -> Envelope:
        """Mail of one recipient. Raises UnsafeHeader before anything is sent."""
        address = header_injection.check_recipient(row.address)
        values = recipient_values(row, self.context) | self.selection(row.picks)
        return Envelope(address, self.compiled.mail.fill(values))

    def selection(self, picks: int) -> dict[Placeholder, bytes]:
        """Values for readers of the same items; a cache holds the most recent ones."""
        if picks not in self.selections:
            self.selections[picks] = self.join_items(picks)
            if len(self.selections) > SELECTIONS_CACHED:
                self.selections.popitem(last=False)
        return self.selections[picks]

    @cached_property
    def ordered_numbers(self) -> Sequence[int]:
        """Numbers of the items as readers see them: corrected ones first."""
        texts = self.digest.texts
        return sorted(texts, key=lambda number: (texts[number].action != "corrected", number))

    def join_items(self, picks: int) -> dict[Placeholder, bytes]:
        numbers = [number for number in self.ordered_numbers if picks >> number & 1]
        slots = self.compiled.blocks.items()
        joined = {slot: b"".join(blocks[number] for number in numbers) for slot, blocks in slots}
        title = message.digest_title(self.digest.content_id)
        subject = digest_texts()["subject"].format(title=title, count=len(numbers))
        return joined | {Placeholder.SUBJECT: headers.encode_text("Subject", subject).encode()}


def _compile_digest(digest: Digest, context: MailContext) -> CompiledDigest:
    """Render frame and blocks. Raises UnsafeHeader."""
    content = _compose_frame(digest, context)
    # An author can't write this seed into a text: it is a digest of the texts themselves.
    texts = "".join(encode(item).decode() for item in digest.texts.values())
    placeholders = Placeholders(keys.digest(digest.key, texts)[:24])
    items = [_digest_item(item, context) for item in digest.texts.values()]
    subject = EncodedHeader(placeholders.marker(Placeholder.SUBJECT))
    fields = build.header_fields(content, context, placeholders) | {"Subject": subject}
    mail = build.new_alternative(fields, keys.digest("boundary", digest.key)[:24])
    corrections = f"{context.public_url}{_CORRECTIONS_PATH}"
    values = build.list_template_values(context, placeholders)
    values |= {"words": digest_texts(), "corrections": corrections}
    blocks: dict[Placeholder, Mapping[int, bytes]] = {}
    for template, (name_slot, slot) in _PART_PLACEHOLDERS.items():
        values["greeting"] = placeholders.marker(name_slot)
        cut = placeholders.marker(slot)
        text = render_template(template, content, items=items, cut=cut, **values)
        head, *rendered, foot = text.split(cut)
        blocks[slot] = dict(zip(digest.texts, map(_block, rendered), strict=True))
        mail.attach(new_part(template, f"{head}{cut}{foot}", placeholders))
    return CompiledDigest(CompiledMail(mail.as_bytes(), placeholders), blocks)


def _block(text: str) -> bytes:
    """An item as a quoted-printable block that ends with a blank line."""
    return encode_value((text.strip() + "\n\n").encode())


def _compose_frame(digest: Digest, context: MailContext) -> MailContent:
    """Content around the items."""
    issue, words = digest.issue, digest_texts()
    since, at = map(format_moment_in_sentence, (issue.since, issue.at))
    title = message.digest_title(digest.content_id)
    return MailContent(
        subject=title,
        title=title,
        date=issue.at,
        url=f"{context.public_url}/",
        topic=words[issue.frequency]["list"],
        key=digest.key,
        list_name=f"digest-{issue.frequency}",
        summary=words["summary"].format(since=since, at=at),
        standing=message.texts()["words"]["standing"],
        button=words["button"],
    )


def _digest_item(publication: Publication, context: MailContext) -> DigestItem:
    kind = message.change_kind(publication, correction=publication.action == "corrected")
    look = message.texts()["looks"][kind]
    moment = format_moment_in_sentence(publication.first_shown_at)
    if publication.shown_at > publication.first_shown_at:
        moment = message.change_moment(publication).lower()
    words = context.vocabulary
    facts = [unit_name(publication, words), topic_name(publication, words), moment]
    url = f"{context.public_url}/tin/{publication.content_id}"
    return DigestItem(
        title=look["subject"].format(title=publication.title),
        about="; ".join(fact for fact in facts if fact),
        reason=look["reason"].format(reason=publication.reason) if publication.reason else "",
        summary=publication.summary or _opening(publication, url),
        url=url,
        language=publication.language,
    )


def _opening(publication: Publication, url: str) -> str:
    """The line below a title without a summary."""
    said = publication.interruption
    stated = summary_of(said) if said and publication.action != "withdrawn" else ""
    return stated or opening_sentences(publication.body, url)


def opening_sentences(text: str, url: str) -> str:
    """First two sentences of a body, as plain text on one line."""
    tokens = markdown.parse(text, url)
    prose = " ".join(_running_text(tokens)) or indented_text(tokens)
    plain = _SPACES.sub(" ", prose).strip()
    match = _SENTENCES.match(plain)
    opening = match[1] if match else plain
    if len(opening) <= _SUMMARY_MAX:
        return opening
    return f"{opening[:_SUMMARY_MAX].rsplit(' ', 1)[0]}…"


def _running_text(tokens: Sequence[Token]) -> Iterator[str]:
    """Text of paragraphs: no headings, lists or tables, no addresses of links."""
    visible = ("text", "code_inline", "softbreak", "hardbreak")
    for opening, token in pairwise(tokens):
        if opening.type == "paragraph_open" and not opening.level:
            words = [child for child in token.children or () if child.type in visible]
            yield "".join(child.content or " " for child in words)
