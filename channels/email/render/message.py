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
from contracts.interruptions.wording import stated_facts, summary_of
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
    """Content of one mail; *key* names it for feedback loops, *list_name* its list, if any.

    *head* speaks in place of the agency, and *sender* is the name in From, where it is another
    body that speaks. *code* is a number that no line may break, *opening* the sentence that mail
    programs show beside the subject if there is no reason, intro or summary. *stated*: what the
    item says of an interruption of services, with labels. *is_trial*: of a unit's trial.
    """

    subject: str
    title: str
    date: datetime
    url: str
    language: str = "vi"
    head: str = ""
    sender: str = ""
    sender_unit: str = ""
    topic: str = ""
    key: str = ""
    list_name: str = ""
    moment: str = ""
    intro: str = ""
    reason: str = ""
    summary: str = ""
    code: str = ""
    opening: str = ""
    button: str = ""
    address_label: str = ""
    standing: str = ""
    html: Markup = field(default_factory=Markup)
    plain: str = ""
    lists: LinkLists = ()
    facts: Facts = ()
    stated: Facts = ()
    is_trial: bool = False

    @property
    def preview(self) -> str:
        """Text that mail programs show beside the subject."""
        if self.is_trial:
            return self.intro
        return self.reason or self.intro or self.summary or self.opening


@cache
def texts() -> Mapping[str, Any]:
    """The catalogue; kept here, because its path alone takes longer to join than it to find."""
    return load_texts(TEMPLATES / "texts.toml")


def greeting(name: str) -> str:
    """The line of greeting: a name with its title, or a general form for an unknown name."""
    words = texts()["words"]
    if not name:
        return str(texts()["reader"])
    if not (is_organisation(name) or name.casefold().startswith(_titles())):
        name = words["titled"].format(name=name)
    return str(words["greeting"].format(name=name))


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
    words, is_withdrawn = texts()["looks"][change], change is ChangeKind.WITHDRAWN
    title = words["subject"].format(title=publication.title)
    url = f"{public_url}/tin/{publication.content_id}"
    tokens = markdown.parse("" if is_withdrawn else publication.body, url)
    return MailContent(
        subject=title,
        title=title,
        date=publication.shown_at,
        language=publication.language,
        sender_unit=unit_name(publication, vocabulary),
        **_names(publication, vocabulary),
        moment="" if change is ChangeKind.PUBLISHED else change_moment(publication),
        intro=words["intro"].format(agency=texts()["agency"]),
        reason=words["reason"].format(reason=publication.reason) if publication.reason else "",
        summary="" if is_withdrawn else publication.summary,
        html=markdown.render_html(tokens),
        plain=indented_text(tokens),
        lists=() if is_withdrawn else _link_lists(publication, words["attachments"]),
        facts=_item_facts(publication, vocabulary),
        **({} if is_withdrawn else _stated(publication)),
        url=url,
        button=words["button"],
        address_label=words["address"],
        standing="" if is_withdrawn else texts()["words"]["standing"],
    )


def _names(publication: Publication, vocabulary: Vocabulary) -> dict[str, Any]:
    """The names of the topic's list, and of the mail for feedback loops."""
    topic = topic_name(publication, vocabulary) or publication.topic
    return {"topic": topic, "key": publication.key, "list_name": publication.topic}


def _stated(publication: Publication) -> dict[str, Any]:
    """The facts of an interruption of services, and the line beside the subject."""
    if publication.interruption is None:
        return {}
    facts = stated_facts(publication.interruption)
    pairs = [(fact.label, fact.value) for fact in facts]
    return {"stated": pairs, "opening": summary_of(publication.interruption)}


def change_moment(publication: Publication) -> str:
    """When the item was updated, corrected or taken back: `Đính chính lúc 14:05 ngày …`."""
    since = texts()["words"]["since"][publication.action]
    return f"{since} {format_moment_in_sentence(publication.shown_at)}"


def unit_name(publication: Publication, vocabulary: Vocabulary) -> str:
    """The unit's name at the time of publication; empty for an unknown unit."""
    try:
        unit = vocabulary.unit(publication.unit)
    except KeyError:
        return ""
    return unit.name_at(publication.first_shown_at.astimezone(VIETNAM).date())


def topic_name(publication: Publication, vocabulary: Vocabulary) -> str:
    """The topic's name; empty for an unknown topic."""
    topic = vocabulary.topics.get(publication.topic)
    return topic.name if topic else ""


def _link_lists(publication: Publication, files_heading: str) -> LinkLists:
    words, attached = texts()["words"], publication.attachments
    links = [LinkItem(link.title, str(link.url)) for link in publication.links]
    files = [LinkItem(file.title, str(file.url), file_note(file)) for file in attached]
    lists = ((words["links"], links), (files_heading, files))
    return tuple((heading, items) for heading, items in lists if items)


def _item_facts(publication: Publication, vocabulary: Vocabulary) -> Facts:
    """Facts of an item; an author who is the unit itself is not named twice."""
    words, first, changed = texts()["words"], publication.first_shown_at, publication.shown_at
    unit, author, is_changed = (
        unit_name(publication, vocabulary),
        publication.author,
        changed > first,
    )
    facts = (
        (words["unit"], unit),
        (
            words["author_body" if is_organisation(author or "") else "author"],
            author if author and author.casefold() != unit.casefold() else "",
        ),
        (words["topic"], topic_name(publication, vocabulary)),
        (words["first_published" if is_changed else "published"], format_moment_in_sentence(first)),
        (
            words["since"][publication.action],
            format_moment_in_sentence(changed) if is_changed else "",
        ),
    )
    return tuple((label, value) for label, value in facts if value)


def digest_texts() -> Mapping[str, Any]:
    return load_texts(TEMPLATES / "digest.toml")


def digest_title(digest_id: str) -> str:
    """Title of a digest: `Bản tổng hợp tin ngày 26/11/2026`."""
    title = digest_texts()[frequency_of(digest_id)]["title"]
    return str(title.format(day=f"{date_of(digest_id):%d/%m/%Y}"))


def digest_name(digest_id: str) -> str:
    """A digest's title inside a sentence."""
    title = digest_title(digest_id)
    return title[:1].lower() + title[1:]
