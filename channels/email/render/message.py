"""The content of a mail before it is HTML, text or bytes: one model, so that both parts agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from channels.email.render import markdown
from channels.file_note import file_note
from channels.markdown_text import indented_text
from channels.organisations import is_organisation
from contracts.catalog import load_texts
from contracts.publication import Publication
from contracts.subscriptions.digest import date_of, frequency_of
from contracts.text.moments import VIETNAM, format_moment_in_sentence
from contracts.vocabulary import Vocabulary

TEMPLATES = Path(__file__).parent / "templates"


class ChangeKind(StrEnum):
    """News, or a replacement of an earlier mail."""

    PUBLISHED = "published"
    UPDATED = "updated"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


class LinkItem(NamedTuple):
    """A link; `about` follows the title: ` (PDF, 1,2 MB)`, or is empty."""

    title: str
    url: str
    about: str = ""


LinkLists = Sequence[tuple[str, Sequence[LinkItem]]]
Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class MailContent:
    """Content of one mail; *key* names it for feedback loops, *list_name* its list, if any."""

    subject: str
    title: str
    date: datetime
    url: str
    language: str = "vi"
    sender_unit: str = ""
    topic: str = ""
    key: str = ""
    list_name: str = ""
    intro: str = ""
    reason: str = ""
    summary: str = ""
    html: Markup = field(default_factory=Markup)
    plain: str = ""
    lists: LinkLists = ()
    facts: Facts = ()

    @property
    def preview(self) -> str:
        """Text that mail programs show beside the subject."""
        return self.intro or self.summary


def texts() -> Mapping[str, Any]:
    return load_texts(TEMPLATES / "texts.toml")


def greeting_name(name: str) -> str:
    """Name in the greeting: with a title, or a general form for an unknown name."""
    if not name:
        return str(texts()["reader"])
    if is_organisation(name) or name.casefold().startswith(_titles()):
        return name
    return str(texts()["words"]["titled"]).format(name=name)


@cache
def _titles() -> tuple[str, ...]:
    """Beginnings of names that have a title already."""
    return tuple(title.casefold() for title in texts()["titled"])


def change_kind(publication: Publication, correction: bool) -> ChangeKind:
    """Kind of change; a correction is plain news for recipients without the earlier mail."""
    if publication.action == "withdrawn":
        return ChangeKind.WITHDRAWN
    if not correction:
        return ChangeKind.PUBLISHED
    return ChangeKind.CORRECTED if publication.action == "corrected" else ChangeKind.UPDATED


def compose(
    publication: Publication, change: ChangeKind, vocabulary: Vocabulary, public_url: str
) -> MailContent:
    """Content of a publication in the catalogue's words."""
    words = texts()["looks"][change]
    is_withdrawn = change is ChangeKind.WITHDRAWN
    url = f"{public_url}/tin/{publication.content_id}"
    tokens = markdown.parse("" if is_withdrawn else publication.body, url)
    unit = unit_name(publication, vocabulary)
    topic = vocabulary.topics.get(publication.topic)
    return MailContent(
        subject=words["subject"].format(title=publication.title),
        title=publication.title,
        date=publication.shown_at,
        url=url,
        language=publication.language,
        sender_unit=unit,
        topic=topic.name if topic else publication.topic,
        key=publication.key,
        list_name=publication.topic,
        intro=words["intro"].format(agency=texts()["agency"]),
        reason=words["reason"].format(reason=publication.reason) if publication.reason else "",
        summary="" if is_withdrawn else publication.summary,
        html=markdown.render_html(tokens),
        plain=indented_text(tokens),
        lists=() if is_withdrawn else _link_lists(publication),
        facts=_item_facts(publication, unit, topic.name if topic else ""),
    )


def unit_name(publication: Publication, vocabulary: Vocabulary) -> str:
    """The unit's name at the time of publication; empty for an unknown unit."""
    try:
        unit = vocabulary.unit(publication.unit)
    except KeyError:
        return ""
    return unit.name_at(publication.first_shown_at.astimezone(VIETNAM).date())


def _link_lists(publication: Publication) -> LinkLists:
    words, kinds, attached = texts()["words"], texts()["media"], publication.attachments
    links = [LinkItem(link.title, str(link.url)) for link in publication.links]
    files = [LinkItem(file.title, str(file.url), file_note(file, kinds)) for file in attached]
    lists = ((words["links"], links), (words["attachments"], files))
    return tuple((heading, items) for heading, items in lists if items)


def _item_facts(publication: Publication, unit: str, topic: str) -> Facts:
    words, first, changed = texts()["words"], publication.first_shown_at, publication.shown_at
    facts = (
        (words["unit"], unit),
        (words["author"], publication.author or ""),
        (words["topic"], topic),
        (words["published"], format_moment_in_sentence(first)),
        (
            words["since"][publication.action],
            format_moment_in_sentence(changed) if changed > first else "",
        ),
    )
    return tuple((label, value) for label, value in facts if value)


def digest_texts() -> Mapping[str, Any]:
    return load_texts(TEMPLATES / "digest.toml")


def digest_title(digest_id: str) -> str:
    title = digest_texts()[frequency_of(digest_id)]["title"]
    return str(title.format(day=f"{date_of(digest_id):%d/%m/%Y}"))
