"""What a mail says, before it is HTML, text or bytes: one model, so that both parts agree."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from channels.email import markdown
from contracts.content import Attachment, Link
from contracts.publication import Publication
from contracts.vietnam import VIETNAM
from contracts.vocabulary import Vocabulary

TEMPLATES = Path(__file__).parent / "templates"


class Look(StrEnum):
    """How an item comes to a reader: as news, or in place of something that reader has got."""

    PUBLISHED = "published"
    UPDATED = "updated"
    CORRECTED = "corrected"
    WITHDRAWN = "withdrawn"


Lists = Sequence[tuple[str, Sequence[Link | Attachment]]]
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


@cache
def texts() -> Mapping[str, Any]:
    return tomllib.loads((TEMPLATES / "texts.toml").read_text("utf-8"))


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
    tokens = markdown.parse("" if gone else publication.body)
    unit = unit_name(publication, vocabulary)
    topic = vocabulary.topics.get(publication.topic)
    return Letter(
        language=publication.language,
        subject=said["subject"].format(title=publication.title),
        sender_unit=unit,
        topic=topic.name if topic else publication.topic,
        title=publication.title,
        intro=said["intro"],
        reason=publication.reason,
        summary="" if gone else publication.summary,
        html=markdown.html(tokens),
        plain=markdown.plain(tokens),
        lists=() if gone else lists(publication),
        facts=facts(publication, unit, topic.name if topic else ""),
        url=f"{public_url}/tin/{publication.content_id}",
    )


def unit_name(publication: Publication, vocabulary: Vocabulary) -> str:
    """What the unit was called when the item came out; empty when nobody knows it any more."""
    try:
        unit = vocabulary.unit(publication.unit)
    except KeyError:
        return ""
    return unit.name_at(publication.first_released_at.astimezone(VIETNAM).date())


def lists(publication: Publication) -> Lists:
    words = texts()["words"]
    found = (
        (words["links"], publication.links),
        (words["attachments"], publication.attachments),
    )
    return tuple((heading, items) for heading, items in found if items)


def facts(publication: Publication, unit: str, topic: str) -> Facts:
    words = texts()["words"]
    known = (
        (words["unit"], unit),
        (words["author"], publication.author or ""),
        (words["topic"], topic),
        (words["published"], written(publication.first_released_at)),
    )
    return tuple((label, value) for label, value in known if value)


def written(moment: datetime) -> str:
    """A moment as Vietnamese readers write it."""
    return moment.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")
