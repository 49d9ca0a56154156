"""Facts of a sample ministry in a random order: late, told again, and of another unit since."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.delivery import ChannelName, Lane, Status
from contracts.facts import (
    DayFact,
    DecisionFact,
    DeliveryFact,
    EventsFact,
    Fact,
    FactKind,
    IncidentFact,
    NoticesFact,
    OpinionsFact,
    ReadersFact,
    RefusalsFact,
    ReleaseFact,
)
from contracts.subscriptions.reaction import Reaction
from contracts.vocabulary import DEFAULT

BEGIN = datetime(2026, 2, 20, 3, tzinfo=UTC)
DAYS = 40
UNITS = ("van-phong-bo", "vu-phap-che", "vu-cai-cach-hanh-chinh")
TOPICS = ("chuyen-doi-so", "cai-cach-hanh-chinh")
SERIES_ID = "ban-tin-cai-cach-hanh-chinh"


def random_facts(chance: random.Random, items: int) -> list[Fact]:
    """Facts as they could be stored; some of them twice, the later one with other numbers."""
    found: list[Fact] = []
    for number in range(items):
        found += _of_item(chance, f"tin-{number}", chance.choice(TOPICS))
    for number in range(1, 5):
        topic = DEFAULT.bulletins[SERIES_ID].topic
        found += _of_item(chance, f"{SERIES_ID}-2026-so-{number:02d}", topic)
    for day in (7, 14):
        found.append(_digest(chance, BEGIN + timedelta(days=day)))
    for day in range(DAYS):
        found += _of_day(chance, BEGIN + timedelta(days=day))
    chance.shuffle(found)
    return found


def _of_item(chance: random.Random, content_id: str, topic: str) -> Iterator[Fact]:
    at = BEGIN + timedelta(hours=chance.randrange(24 * DAYS))
    lane, unit = chance.choice((Lane.NORMAL, Lane.URGENT)), chance.choice(UNITS)
    released = {
        "content_id": content_id,
        "lane": lane,
        "channels": (ChannelName.EMAIL, ChannelName.PORTAL),
        "released_at": at,
        "shown_at": at,
    }
    shown = {"shown_at": at + timedelta(hours=chance.choice((0, 0, 9)))}
    first = {**released, **shown, **_interruption(chance, at)}
    yield ReleaseFact(revision=1, action="published", unit=unit, topic=topic, **first)
    if chance.random() < 0.5:
        about = {"unit": chance.choice(UNITS), "topic": chance.choice(TOPICS)}
        later = {"released_at": at + timedelta(hours=5), "shown_at": at + timedelta(hours=5)}
        action = chance.choice(("corrected", "published", "withdrawn"))
        second = {**released, **about, **later, **_interruption(chance, at)}
        yield ReleaseFact(revision=2, action=action, **second)
    steps = [at - timedelta(hours=chance.randrange(1, 99)) for _ in range(3)]
    sent, confirmed, proposed = sorted(steps)
    yield DecisionFact(
        content_id=content_id,
        revision=1,
        unit=unit,
        topic=topic,
        sent_at=sent,
        confirmed_at=confirmed,
        proposed_at=proposed,
        decided_at=at,
        verdict=chance.choice(("approved", "rejected")),
        published_at=chance.choice((at, None)),
        returns=chance.choice((0, 0, 1)),
    )
    for revision in (1, 1, 2):
        yield DeliveryFact(
            channel=ChannelName.EMAIL,
            content_id=content_id,
            revision=revision,
            lane=lane,
            began_at=at,
            ended_at=at + timedelta(minutes=2),
            counts={Status.DELIVERED: chance.randrange(900), Status.FAILED: chance.randrange(9)},
            reached_s={"most": chance.randrange(900)},
            within_10_s=chance.randrange(9),
        )
    pressed = {ChannelName.PORTAL: {Reaction.SATISFIED: 1 + chance.randrange(9)}}
    yield OpinionsFact(on=at.date(), content_id=content_id, counts=pressed)


def _digest(chance: random.Random, at: datetime) -> Fact:
    return DeliveryFact(
        channel=ChannelName.EMAIL,
        content_id=f"digest-weekly-{at:%Y-%m-%d}",
        revision=1,
        lane=Lane.BULK,
        began_at=at,
        ended_at=at,
        counts={Status.DELIVERED: chance.randrange(1, 900)},
    )


def _interruption(chance: random.Random, at: datetime) -> dict[str, Any]:
    if chance.random() < 0.5:
        return {}
    begins = at + timedelta(days=chance.randrange(20))
    stated: dict[str, Any] = {
        "interrupts_at": begins,
        "expected_recovery_at": begins + timedelta(days=6),
    }
    stated["services"] = ("Nộp hồ sơ trực tuyến",)
    return stated | {"is_force_majeure": chance.random() < 0.3}


def _of_day(chance: random.Random, at: datetime) -> Iterator[Fact]:
    day = at.date()
    if chance.random() < 0.9:
        left_out = chance.choice([*FactKind])
        yield DayFact(on=day, counted=tuple(one for one in FactKind if one != left_out))
    unit = chance.choice(UNITS)
    yield EventsFact(on=day, unit=unit, accepted={"content.submitted": chance.randrange(9)})
    yield RefusalsFact(on=day, unit=unit, refused={"content.submitted": chance.randrange(2)})
    for channel in (ChannelName.EMAIL, ChannelName.ZALO):
        came, left = chance.randrange(9), {"unsubscribed": chance.randrange(3)}
        total = chance.choice((None, chance.randrange(9_000)))
        yield ReadersFact(on=day, channel=channel, total=total, came=came, left=left)
    counts = {Status.DELIVERED: chance.randrange(9), Status.EXPIRED: 1}
    yield NoticesFact(on=day, channel=ChannelName.ZALO, sort="case", counts=counts)
    yield IncidentFact(what="breaker", circuit="email", began_at=at)
