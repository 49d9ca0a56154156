"""What a mail says, before it is HTML, text or bytes: one model, so that both parts agree."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from channels.email import markdown
from contracts.content import Attachment
from contracts.publication import Publication
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

TEMPLATES = Path(__file__).parent / "templates"
KILO = 1000


class Look(StrEnum):
    """How an item comes to a reader: as news, or in place of something that reader has got."""

    PUBLISHED = "published"
    UPDATED = "updated"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


class Onward(NamedTuple):
    """Where to read on; `about` follows the title: ` (PDF, 1,2 MB)`, or nothing."""

    title: str
    url: str
    about: str = ""


Lists = Sequence[tuple[str, Sequence[Onward]]]
Facts = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Letter:
    """One publication in one look."""

    language: str
    subject: str
    sender_unit: str
    topic: str
    title: str
    intro: str
    reason: str
    summary: str
    html: Markup
    plain: str
    lists: Lists
    facts: Facts
    url: str

    @property
    def preview(self) -> str:
        """What a list of mails may show beside the subject."""
        return self.intro or self.summary


@cache
def texts() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "texts.toml").read_text("utf-8"))


def called(name: str) -> str:
    """How a reader is greeted: nobody is called by a bare name, or by nothing."""
    if not name:
        return str(texts()["reader"])
    if name.casefold().startswith(untitled()):
        return name
    return str(texts()["words"]["titled"]).format(name=name)


@cache
def untitled() -> tuple[str, ...]:
    """Beginnings of names that no title stands before."""
    return tuple(one.casefold() for one in texts()["untitled"])


def look(publication: Publication, correction: bool) -> Look:
    """A withdrawal is for those who got the item; a correction is plain news to everybody else."""
    if publication.action == "withdrawn":
        return Look.WITHDRAWN
    if not correction:
        return Look.PUBLISHED
    return Look.CORRECTED if publication.action == "corrected" else Look.UPDATED


def compose(
    publication: Publication, chosen: Look, vocabulary: Vocabulary, public_url: str
) -> Letter:
    """Say *publication* in the words of the catalogue."""
    said = texts()["looks"][chosen]
    gone = chosen is Look.WITHDRAWN
    url = f"{public_url}/tin/{publication.content_id}"
    tokens = markdown.parse("" if gone else publication.body, url)
    unit = unit_name(publication, vocabulary)
    topic = vocabulary.topics.get(publication.topic)
    return Letter(
        language=publication.language,
        subject=said["subject"].format(title=publication.title),
        sender_unit=unit,
        topic=topic.name if topic else publication.topic,
        title=publication.title,
        intro=said["intro"],
        reason=said["reason"].format(reason=publication.reason) if publication.reason else "",
        summary="" if gone else publication.summary,
        html=markdown.html(tokens),
        plain=markdown.plain(tokens),
        lists=() if gone else lists(publication),
        facts=facts(publication, unit, topic.name if topic else ""),
        url=url,
    )


def unit_name(publication: Publication, vocabulary: Vocabulary) -> str:
    """What the unit was called when the item came out; empty when nobody knows it any more."""
    try:
        unit = vocabulary.unit(publication.unit)
    except KeyError:
        return ""
    return unit.name_at(publication.first_shown_at.astimezone(VIETNAM).date())


def lists(publication: Publication) -> Lists:
    words = texts()["words"]
    links = [Onward(link.title, str(link.url)) for link in publication.links]
    files = [Onward(file.title, str(file.url), about(file)) for file in publication.attachments]
    found = ((words["links"], links), (words["attachments"], files))
    return tuple((heading, items) for heading, items in found if items)


def about(file: Attachment) -> str:
    """Kind and size of a file, as far as they are known."""
    kind = texts()["media"].get(file.media_type or "", "")
    known = [fact for fact in (kind, size(file.size)) if fact]
    return f" ({', '.join(known)})" if known else ""


def size(count: int | None) -> str:
    """A number of bytes for people: `950 B`, `1,2 MB`. Empty when it is not known."""
    if count is None:
        return ""
    scaled, units = float(count), iter(("B", "KB", "MB", "GB"))
    unit = next(units)
    while scaled >= KILO and (larger := next(units, "")):
        scaled, unit = scaled / KILO, larger
    digits = 0 if scaled >= 10 or scaled.is_integer() else 1
    return f"{scaled:.{digits}f} {unit}".replace(".", ",")


def facts(publication: Publication, unit: str, topic: str) -> Facts:
    words = texts()["words"]
    known = (
        (words["unit"], unit),
        (words["author"], publication.author or ""),
        (words["topic"], topic),
        (words["published"], written(publication.first_shown_at)),
        (words["since"][publication.action], changed(publication)),
    )
    return tuple((label, value) for label, value in known if value)


def changed(publication: Publication) -> str:
    """When an item that had been out was corrected, updated or taken back; empty for a new one."""
    at = publication.shown_at
    return written(at) if at > publication.first_shown_at else ""


def written(moment: datetime) -> str:
    """A moment as Vietnamese readers write it."""
    return moment.astimezone(VIETNAM).strftime("%H:%M ngày %d/%m/%Y")
