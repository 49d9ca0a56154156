"""A log of publications, drawn at random: what a portal may be given, as it arrives."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.delivery import Lane
from contracts.publication import Publication
from contracts.vocabulary import Vocabulary
from tests.support.publications import a_publication

BEGIN = datetime(2020, 7, 1, 2, tzinfo=UTC)
"""Long ago: nothing of the log ends while it is written."""
_DAYS = 200
_ACTIONS = ("published", "published", "corrected", "corrected", "withdrawn")


def drawn_log(count: int, words: Vocabulary, seed: int = 1) -> list[Publication]:
    """*count* positions of fewer items, which arrive in another order than they are dated."""
    return list(_positions(count, words, random.Random(seed)))


def _positions(count: int, words: Vocabulary, rng: random.Random) -> Iterator[Publication]:
    newest: dict[str, Publication] = {}
    for number in range(count):
        if newest and rng.random() < 0.3:
            one = _next_position(rng.choice(sorted(newest)), newest, words, rng)
        else:
            one = _first_position(number, newest, words, rng)
        newest[one.content_id] = one
        yield one


def _first_position(
    number: int, newest: dict[str, Publication], words: Vocabulary, rng: random.Random
) -> Publication:
    at = BEGIN + timedelta(days=rng.randrange(_DAYS), minutes=rng.randrange(600))
    campaigns = [name for name in newest if name.startswith("chien-dich")]
    is_campaign = rng.random() < 0.03
    name = f"chien-dich-{number}" if is_campaign else f"tin-{number}"
    joined = name if is_campaign else rng.choice([None, None, *campaigns])
    return a_publication(
        content_id=name,
        title=f"Tin số {number} về việc làm",
        lane=rng.choice([Lane.NORMAL] * 9 + [Lane.URGENT]),
        campaign=joined,
        first_released_at=at,
        released_at=at,
        **_place(words, rng),
    )


def _place(words: Vocabulary, rng: random.Random) -> dict[str, Any]:
    audiences = rng.sample(sorted(words.audiences), rng.randrange(3))
    topic = rng.choice([name for name, one in words.topics.items() if one.is_subscribable])
    return {"topic": topic, "unit": rng.choice(sorted(words.units)), "audiences": audiences}


def _next_position(
    content_id: str, newest: dict[str, Publication], words: Vocabulary, rng: random.Random
) -> Publication:
    last, action = newest[content_id], rng.choice(_ACTIONS)
    changes: dict[str, Any] = {
        "revision": last.revision + 1,
        "action": action,
        "reason": "" if action == "published" else "Sửa số liệu.",
        "title": f"{last.title} ({last.revision + 1})"[:150],
        "released_at": last.released_at + timedelta(hours=rng.randrange(1, 900)),
    }
    if rng.random() < 0.2:
        changes |= _place(words, rng)
    return Publication.model_validate({**last.model_dump(), **changes})
