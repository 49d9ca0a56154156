"""Work out the figures of a report from the raw messages of FACTS, without anything of Loa.

    python -I recount.py URL FIRST LAST INDICATORS.toml

Only the standard library is used, down to the bus's protocol. What the kinds of facts say is in
docs/facts.md, what the indicators count in docs/reports.md and INDICATORS.toml. Prints one JSON
object: the values by indicator, dimension and part, the days without data, and the message count.
"""

import json
import math
import re
import socket
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

Fact = dict[str, Any]
_HANOI = timedelta(hours=7)
_BASES = {
    "items": "release", "desk": "decision", "deliveries": "delivery", "events": "events",
    "opinions": "opinions", "readers": "readers", "incidents": "incident", "notices": "notices",
}  # fmt: skip
"""By the first word of a count's kind, the kind of the facts that it is made of."""
_NOT_COUNTED = {"opinions.answered"}
"""What indicators name, and no fact says."""
DIMENSIONS = ("total", "month", "unit", "topic", "channel", "lane", "detail")


class Count(NamedTuple):
    """Something that happened on a day so many times, with all it can be divided by."""

    kind: str
    day: date
    times: int
    parts: dict[str, str]
    seconds: int | None = None


# --- reading the stream


def messages(url: str) -> Iterator[tuple[str, bytes]]:
    """The subject and the body of each message of FACTS, in their order."""
    bus = urlsplit(url)
    signed_in = json.dumps(
        {"verbose": False, "headers": True, "user": bus.username, "pass": bus.password}
    )
    address = (bus.hostname or "", bus.port or 0)
    with socket.create_connection(address) as link, link.makefile("rwb") as wire:
        wire.write(b"CONNECT %s\r\nSUB box 1\r\n" % signed_in.encode())
        following = 1
        while following:
            query = json.dumps({"seq": following, "batch": 1000, "next_by_subj": ">"}).encode()
            wire.write(b"PUB $JS.API.DIRECT.GET.FACTS box %d\r\n%s\r\n" % (len(query), query))
            wire.flush()
            following = yield from _page(wire)


def _page(wire: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """The messages of one answer; returns where the next one begins, 0 behind the last."""
    last = 0
    for headers, body in _answers(wire):
        if subject := headers.get("Nats-Subject"):
            last = int(headers["Nats-Sequence"])
            yield subject, body
        else:
            return last + 1 if int(headers.get("Nats-Num-Pending", 0)) else 0
    return 0


def _answers(wire: BinaryIO) -> Iterator[tuple[dict[str, str], bytes]]:
    while line := wire.readline():
        if line.startswith(b"HMSG"):
            head, whole = map(int, line.split()[-2:])
            data = wire.read(whole + 2)
            lines = data[:head].decode().split("\r\n")[1:]
            pairs = (one.partition(":") for one in lines if one)
            yield {name: value.strip() for name, _, value in pairs}, data[head:-2]
        elif line.startswith(b"PING"):
            wire.write(b"PONG\r\n")
            wire.flush()
        elif not line.startswith((b"INFO", b"PONG")):
            raise SystemExit(f"the bus says {line!r}")


# --- what a fact says


def counts(kind: str, fact: Fact, about: dict[str, Any]) -> Iterator[Count]:
    """What a fact of *kind* counts. *about*: the unit and the topic of its item."""
    return _READERS[kind](fact, about)


def _release(fact: Fact, about: dict[str, Any]) -> Iterator[Count]:
    day, parts = _day(fact["shown_at"]), {"unit": about["unit"], "topic": about["topic"]}
    yield Count(f"items.{fact['action']}", day, 1, parts)


def _decision(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    day, parts = _day(fact["decided_at"]), {"unit": fact["unit"], "topic": fact["topic"]}
    yield Count("desk.returned", day, fact["returns"], parts)
    yield Count(f"desk.{fact['verdict']}", day, 1, parts | {"detail": fact["code"]})
    if fact["verdict"] == "approved" and not fact["by_rule"]:
        took = _at(fact["decided_at"]) - _at(fact["sent_at"])
        yield Count("desk.approved_after", day, 1, parts, math.ceil(took.total_seconds()))


def _delivery(fact: Fact, about: dict[str, Any]) -> Iterator[Count]:
    day, parts = _day(fact["ended_at"]), {"channel": fact["channel"], **about}
    numbers = dict(fact["counts"]) | {"expected": sum(fact["counts"].values())}
    numbers |= {name: fact[name] for name in ("copies", "bounced")}
    if "within_10_s" in fact:
        numbers |= {"within_10_s": fact["within_10_s"]}
        numbers |= {"timed": fact["counts"].get("delivered", 0)}
    for name, number in numbers.items():
        yield Count(f"deliveries.{name}", day, number, parts)
    if "reached_s" in fact:
        most = math.ceil(fact["reached_s"]["most"])
        yield Count("deliveries.most_after", day, 1, parts, most)


def _events(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    for name, number in fact["accepted"].items():
        day, parts = date.fromisoformat(fact["on"]), {"unit": fact["unit"]}
        yield Count(f"events.{name}", day, number, parts)


def _opinions(fact: Fact, about: dict[str, Any]) -> Iterator[Count]:
    day = date.fromisoformat(fact["on"])
    for channel, pressed in fact["counts"].items():
        parts = {"channel": channel, **about}
        yield Count("opinions.received", day, sum(pressed.values()), parts)
        for button, number in pressed.items():
            yield Count(f"opinions.{button}", day, number, parts)


def _readers(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    day, parts = date.fromisoformat(fact["on"]), {"channel": fact["channel"]}
    yield Count("readers.gained", day, fact["came"], parts)
    yield Count("readers.lost", day, sum(fact["left"].values()), parts)
    if "total" in fact:
        yield Count("readers.level", day, fact["total"], parts)


def _notices(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    day, parts = date.fromisoformat(fact["on"]), {"channel": fact["channel"]}
    numbers = dict(fact["counts"]) | {"expected": sum(fact["counts"].values())}
    for status, number in numbers.items():
        yield Count(f"notices.{fact['sort']}_{status}", day, number, parts)


def _incident(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    name = {"pause": "paused", "breaker": "broken"}[fact["what"]]
    yield Count(f"incidents.{name}", _day(fact["began_at"]), 1, {"detail": fact["circuit"]})


def _nothing(_: Fact, __: dict[str, Any]) -> Iterator[Count]:
    return iter(())


_READERS = {
    "release": _release, "decision": _decision, "delivery": _delivery, "events": _events,
    "opinions": _opinions, "readers": _readers, "notices": _notices, "incident": _incident,
    "day": _nothing,
}  # fmt: skip


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _day(text: str) -> date:
    return (_at(text) + _HANOI).date()


# --- figures


class Year:
    """All counts of the span, and the days on which each kind of fact was counted."""

    def __init__(self, newest: dict[str, Fact], first: date, last: date) -> None:
        self.days = [first + timedelta(n) for n in range((last - first).days + 1)]
        self.counted = {
            date.fromisoformat(fact["on"]): set(fact["counted"])
            for key, fact in newest.items()
            if key.startswith("day.")
        }
        self.found = defaultdict[tuple[str, str], dict[str, list[Count]]](dict)
        """By kind and dimension, what each part has."""
        for one in _all_counts(newest):
            for by in DIMENSIONS if first <= one.day <= last else ():
                self.found[one.kind, by].setdefault(_part(one, by), []).append(one)

    def lost_days(self, kinds: Iterable[str], month: str) -> int:
        """The days on which one of the kinds was not counted."""
        wanted = {_basis(kind) for kind in kinds}
        days = (day for day in self.days if str(day).startswith(month))
        return sum(not wanted <= self.counted.get(day, set()) for day in days)

    def of(self, kinds: Iterable[str], by: str, word: str) -> list[Count]:
        return [one for kind in kinds for one in self.found[kind, by].get(word, ())]

    def words(self, kinds: Iterable[str], by: str) -> set[str]:
        if by == "month":
            return {str(day)[:7] for day in self.days}
        return {word for kind in kinds for word in self.found[kind, by]}


def _basis(kind: str) -> str:
    """The kind of the facts that a kind of counts is made of; no day has those of the empty one."""
    return "" if kind in _NOT_COUNTED else _BASES.get(kind.partition(".")[0], "")


def _all_counts(newest: dict[str, Fact]) -> Iterator[Count]:
    about = {
        fact["content_id"]: {"unit": fact["unit"], "topic": fact["topic"]}
        for key, fact in newest.items()
        if key.startswith("release.")
    }
    for key, fact in newest.items():
        kind = key.partition(".")[0]
        yield from counts(kind, fact, about.get(fact.get("content_id", ""), {}))


def _part(one: Count, by: str) -> str:
    if by == "month":
        return str(one.day)[:7]
    return "" if by == "total" else one.parts.get(by, "")


def value(year: Year, indicator: dict[str, Any], by: str, word: str) -> Decimal | None:
    """The figure of a part, worked out the long way."""
    found = year.of(indicator["kinds"], by, word)
    match indicator["how"]:
        case "sum":
            return Decimal(sum(one.times for one in found))
        case "level":
            found.sort(key=lambda one: one.day)
            last = {one.parts["channel"]: one.times for one in found}
            return Decimal(sum(last.values())) if last else None
        case "share":
            whole = Decimal(sum(one.times for one in year.of(indicator["of"], by, word)))
            part = Decimal(sum(one.times for one in found))
            return _tenth(100 * part / whole) if whole else None
    times = sorted(one.seconds or 0 for one in found for _ in range(one.times))
    share = {"median": 0.5, "p90": 0.9}[indicator["how"]]
    return Decimal(times[math.ceil(round(len(times) * share, 6)) - 1]) if times else None


def _tenth(number: Decimal) -> Decimal:
    return number.quantize(Decimal("0.1"), ROUND_HALF_UP)


def figures(year: Year, indicators: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each figure under `indicator dimension part`, with the number of days without data."""
    for name, indicator in indicators.items():
        kinds = [*indicator["kinds"], *indicator.get("of", ())]
        for by in ("total", *indicator.get("by", ())):
            for word in sorted(year.words(kinds, by)) if by != "total" else [""]:
                days = [day for day in year.days if by != "month" or str(day)[:7] == word]
                lost = year.lost_days(kinds, word if by == "month" else "")
                known = None if lost == len(days) else value(year, indicator, by, word)
                figure = {"value": None if known is None else str(known), "lost": lost}
                yield f"{name} {by} {word}", figure


def main(url: str, first: str, last: str, indicators: str) -> None:
    newest, read = dict[str, Fact](), Counter[str]()
    for subject, body in messages(url):
        key = re.sub(r"^fact\.", "", subject)
        newest[key] = json.loads(body)
        read["messages"] += 1
    year = Year(newest, date.fromisoformat(first), date.fromisoformat(last))
    table = tomllib.loads(Path(indicators).read_text("utf-8"))
    answer = {"messages": read["messages"], "figures": dict(figures(year, table))}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
