"""The facts of a simulated year, as messages of the stream: 20,000 items, 50 million deliveries.

Followers are counted day by day, channels stop and go on, some things are told twice, one month has
no data at all, and some days lack a kind.
"""

import json
import random
import socket
import tomllib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from contracts import vocabulary

Fact = dict[str, Any]
FIRST, LAST = date(2024, 12, 15), date(2025, 12, 14)
LOST_MONTH = (2025, 7)
ITEMS = 20_000
VOCABULARY = tomllib.loads(
    Path(vocabulary.__file__).with_name("vocabulary.toml").read_text("utf-8")
)
UNITS = tuple(id for id, one in VOCABULARY["units"].items() if one.get("until", LAST) >= FIRST)
(SERIES,) = VOCABULARY["bulletins"]
TOPICS = tuple(one for one in VOCABULARY["topics"] if one != SERIES)[:12]
FIRST_ISSUE = date(2025, 1, 10)
KINDS = (
    *("release", "decision", "delivery", "events", "refusals"),
    *("opinions", "notices", "readers", "incident"),
)
_AT_ONCE = 2_000
_LANES = ("normal",) * 12 + ("urgent", "bulk", "bulk")
_DAYS = [FIRST + timedelta(n) for n in range((LAST - FIRST).days + 1)]
_CODES = ("trung-lap", "sai-the-thuc", "khong-thuoc-pham-vi")


class Told(NamedTuple):
    """A fact under its key."""

    key: str
    fact: Fact


def is_lost(day: date) -> bool:
    return (day.year, day.month) == LOST_MONTH


def simulated_year(items: int = ITEMS) -> Iterator[Told]:
    """All facts of the year and of two days beside it, in the order in which they are stored."""
    chance = random.Random(18)
    yield from simulated_days(chance, [day for day in _DAYS if not is_lost(day)], items)
    for early in (FIRST - timedelta(1), LAST + timedelta(1)):  # belongs to no figure of the year
        yield from _item(chance, f"tin-{early}", early)


def simulated_days(chance: random.Random, open_days: list[date], items: int) -> Iterator[Told]:
    """All facts of some days."""
    for number in range(items):
        yield from _item(chance, f"tin-{number:05d}", chance.choice(open_days))
    for day in open_days:
        yield from _day(chance, day)
    yield from _bulletins(chance, open_days)
    yield from _incidents(chance, open_days)


def _item(chance: random.Random, name: str, day: date) -> Iterator[Told]:
    """Course of an item: decided, published, delivered, here and there corrected."""
    about = {"unit": chance.choice(UNITS), "topic": chance.choice(TOPICS)}
    about["lane"] = chance.choice(_LANES)
    decided = _moment(chance, day)
    if chance.random() < 0.04:
        yield _decision(chance, name, decided, about, "rejected")
        return
    yield _decision(chance, name, decided, about, "approved")
    published = decided + timedelta(seconds=chance.randrange(60))
    if chance.random() < 0.03:
        yield from _scheduled(chance, name, published, about)
        return
    yield from _release(chance, name, 1, published, about, "published")
    if chance.random() < 0.05:
        yield from _release(chance, name, 2, published + timedelta(hours=3), about, "corrected")
    elif chance.random() < 0.02:
        yield from _release(chance, name, 2, published + timedelta(hours=5), about, "withdrawn")
    if chance.random() < 0.6:
        pressed = {
            channel: {button: chance.randrange(1, 9) for button in ("satisfied", "neutral")}
            for channel in ("portal", "zalo")
        }
        fact = {"on": str(_vietnam_day(published)), "content_id": name, "counts": pressed}
        yield Told(f"opinions.{fact['on']}.{name}", fact)


def _scheduled(chance: random.Random, name: str, at: datetime, about: Fact) -> Iterator[Told]:
    """A text that waits for its time, and mostly is moved or withdrawn before."""
    hour = timedelta(hours=1)
    first = _released(chance, name, 1, at, about, "published")
    yield Told(f"release.{name}.1", first | {"shown_at": _text(at + 5 * hour)})
    what = chance.choice(("", "moved", "withdrawn"))
    if what == "moved":
        moved = _released(chance, name, 2, at + hour, about, "corrected")
        yield Told(f"release.{name}.2", moved | {"shown_at": _text(at + 9 * hour)})
    elif what:
        gone = _released(chance, name, 2, at + hour, about, "withdrawn")
        yield Told(f"release.{name}.2", gone)
    if chance.random() < 0.3:
        later = at + 12 * hour
        yield from _release(
            chance, name, 3, later, about, chance.choice(("corrected", "published", "withdrawn"))
        )


def _decision(
    chance: random.Random, name: str, decided: datetime, about: Fact, verdict: str
) -> Told:
    """Each step takes up to some days; a third of the texts went back, or was made by a rule."""
    fact: Fact = {"content_id": name, "revision": 1, "verdict": verdict}
    fact |= {"unit": about["unit"], "topic": about["topic"], "decided_at": _text(decided)}
    fact |= {"code": chance.choice(_CODES) if verdict == "rejected" else ""}
    at = decided
    for step in ("proposed_at", "confirmed_at", "sent_at", "event_at"):
        at -= timedelta(seconds=chance.random() * chance.choice((900, 90_000, 270_000)))
        if step == "sent_at" or chance.random() < 0.8:
            fact[step] = _text(at)
    if verdict == "approved":
        fact["published_at"] = _text(decided + timedelta(seconds=chance.randrange(900)))
    fact |= {"returns": chance.choice((0, 0, 0, 0, 1, 2)), "by_rule": chance.random() < 0.2}
    return Told(f"decision.{name}.1", fact)


def _bulletins(chance: random.Random, days: list[date]) -> Iterator[Told]:
    """An issue in most weeks, and two in a few."""
    about = {"unit": VOCABULARY["bulletins"][SERIES]["unit"], "topic": SERIES, "lane": "normal"}
    fridays = [day for day in days if day >= FIRST_ISSUE and day.weekday() == 4]
    issued = sorted({*chance.sample(fridays, len(fridays) * 4 // 5), fridays[0], fridays[-1]})
    for number, day in enumerate(issued, start=1):
        name, at = f"{SERIES}-{day.year}-so-{number:02d}", _moment(chance, day)
        yield from _release(chance, name, 1, at, about, "published")


def _release(
    chance: random.Random, name: str, revision: int, at: datetime, about: Fact, action: str
) -> Iterator[Told]:
    fact = _released(chance, name, revision, at, about, action)
    deliveries = [_delivery(chance, one, fact, at) for one in fact["channels"]]
    if chance.random() < 0.1:  # the release is told last
        yield from deliveries
        yield Told(f"release.{name}.{revision}", fact)
    else:
        yield Told(f"release.{name}.{revision}", fact)
        yield from deliveries
    if chance.random() < 0.05:  # a mail comes back
        key, known = deliveries[0]
        yield Told(key, known | {"bounced": 1 + known["bounced"]})


def _released(
    chance: random.Random, name: str, revision: int, at: datetime, about: Fact, action: str
) -> Fact:
    fact = {"content_id": name, "revision": revision, "action": action, **about}
    channels = ["email", "portal", "zalo"]
    fact |= {"channels": channels, "released_at": _text(at), "shown_at": _text(at)}
    if chance.random() < 0.03:  # an interruption of services is announced, or announced again
        begins = at + timedelta(hours=chance.randrange(500))
        is_forced = chance.random() < 0.3
        fact |= {"interrupts_at": _text(begins), "is_force_majeure": is_forced}
        ends = begins + timedelta(hours=200)
        fact |= {"expected_recovery_at": _text(ends), "services": ["Nộp hồ sơ trực tuyến"]}
    return fact


def _delivery(chance: random.Random, channel: str, released: Fact, at: datetime) -> Told:
    rows = chance.randrange(1_300, 3_800) if channel == "email" else 1
    failed = min(rows // 40, chance.randrange(60)) if rows > 1 else chance.random() < 0.02
    counts = {"delivered": rows - failed, "failed": int(failed)}
    took, known = round(chance.expovariate(1 / 40), 2), {"half": 0.4}
    ended = at + timedelta(seconds=took)
    fact = {name: released[name] for name in ("content_id", "revision", "lane")}
    fact |= {"channel": channel, "began_at": _text(at), "ended_at": _text(ended)}
    fact |= {"counts": {status: count for status, count in counts.items() if count}}
    fact |= {"copies": int(chance.random() < 0.01), "bounced": chance.choice((0, 0, 3))}
    if counts["delivered"]:
        fact |= {"reached_s": known | {"most": took, "all": took}}
        fact |= {"within_10_s": rows - failed if took <= 10 else counts["delivered"] // 3}
    return Told(f"delivery.{channel}.{fact['content_id']}.{fact['revision']}", fact)


def _day(chance: random.Random, day: date) -> Iterator[Told]:
    """Counts at the end of a day; a day in fifty lacks a kind."""
    on = {"on": str(day)}
    for unit in UNITS:
        accepted = {"content.submitted": chance.randrange(9), "case.step": chance.randrange(99)}
        yield Told(f"events.{day}.{unit}", on | {"unit": unit, "accepted": accepted})
        if chance.random() < 0.1:
            refused = {"content.submitted": chance.randrange(1, 4)}
            yield Told(f"refusals.{day}.{unit}", on | {"unit": unit, "refused": refused})
    for channel, people in (("email", 11_000), ("zalo", 900_000)):
        level = {"total": people + 7 * (day - FIRST).days} if chance.random() < 0.98 else {}
        fact = on | level | {"channel": channel, "came": chance.randrange(40)}
        yield Told(f"readers.{day}.{channel}", fact | {"left": {"page": chance.randrange(1, 9)}})
        counts = {"delivered": chance.randrange(900), "expired": chance.randrange(20)}
        fact = on | {"channel": channel, "sort": "case", "counts": counts}
        yield Told(f"notices.{day}.{channel}.case", fact)
    lacking = chance.choice(KINDS) if chance.random() < 0.02 else ""
    counted = [kind for kind in KINDS if kind != lacking]
    yield Told(f"day.{day}", on | {"counted": counted})
    digest = {"content_id": f"digest-daily-{day}", "revision": 1, "lane": "bulk"}
    yield _delivery(chance, "email", digest, _moment(chance, day))


def _incidents(chance: random.Random, days: list[date]) -> Iterator[Told]:
    for number in range(40):
        began = _moment(chance, chance.choice(days))
        what, circuit = chance.choice((("pause", "zalo"), ("breaker", "email")))
        key = f"incident.{int(began.timestamp())}.{what}.{circuit}"
        fact = {"what": what, "circuit": circuit, "began_at": _text(began)}
        yield Told(key, fact)
        if number % 10:
            yield Told(key, fact | {"ended_at": _text(began + timedelta(minutes=number))})


def _moment(chance: random.Random, day: date) -> datetime:
    """A moment of a day in Vietnam, its first and last hours included."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=7)
    return midnight + timedelta(microseconds=chance.randrange(18 * 3_600 * 10**6))


def _vietnam_day(at: datetime) -> date:
    return (at + timedelta(hours=7)).date()


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def store(url: str, facts: Iterable[Told], seal: Callable[[str, bytes], str]) -> int:
    """Store messages as fast as the server takes them; the number of them."""
    count, bus = 0, urlsplit(url)
    signed_in = json.dumps(
        {"verbose": False, "headers": True, "user": bus.username, "pass": bus.password}
    )
    address = (bus.hostname, bus.port)
    with socket.create_connection(address) as link, link.makefile("rwb") as wire:
        wire.write(b"CONNECT %s\r\nSUB acks 1\r\n" % signed_in.encode())
        left = iter(facts)
        while chunk := [*islice(left, _AT_ONCE)]:
            for told in chunk:
                wire.write(_message(told, seal, b" acks" if told is chunk[-1] else b""))
            wire.flush()
            while not wire.readline().startswith(b"MSG acks"):
                pass
            count += len(chunk)
    return count


def _message(told: Told, seal: Callable[[str, bytes], str], reply: bytes) -> bytes:
    subject = f"fact.{told.key}"
    body = json.dumps(told.fact, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    head = f"NATS/1.0\r\nLoa-Seal: {seal(subject, body)}\r\n\r\n".encode()
    sizes = b"%d %d" % (len(head), len(head) + len(body))
    return b"HPUB %s%s %s\r\n%s%s\r\n" % (subject.encode(), reply, sizes, head, body)
