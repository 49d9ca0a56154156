"""Work out the figures of a report from the raw messages of FACTS, without anything of Loa.

    python -I recount.py URL FIRST LAST REPOSITORY

Only the standard library is used, down to the bus's protocol. What the kinds of facts say is in
docs/facts.md, what the indicators count in docs/reports.md and indicators.toml. Of REPOSITORY only
data files are read. Prints one JSON object: the values by indicator, dimension and part, with the
days without data, and the number of messages.
"""

import json
import math
import re
import socket
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

Fact = dict[str, Any]
_HANOI = timedelta(hours=7)
_SLACK = timedelta(seconds=10)
"""By how much a release has to be earlier than the time of a text that it overtakes."""
_BASES = {
    "items": "release", "desk": "decision", "deliveries": "delivery", "events": "events",
    "opinions": "opinions", "readers": "readers", "incidents": "incident", "notices": "notices",
    "refusals": "refusals", "bulletins": "release", "interruptions": "release",
}  # fmt: skip
"""By the first word of a count's kind, the kind of the facts that it is made of."""
_NOT_COUNTED = {"opinions.answered"}
"""Indicators that no fact counts."""
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


class Rules(NamedTuple):
    """Rules from data files that a count depends on."""

    indicators: dict[str, Any]
    series: dict[str, Any]
    units: set[str]
    deadlines: dict[str, Any]
    working_days: dict[str, Any]

    @classmethod
    def read(cls, repository: Path, first: date) -> "Rules":
        vocabulary = _toml(repository / "contracts/vocabulary.toml")
        units = {
            id for id, one in vocabulary["units"].items() if one.get("until", date.max) >= first
        }
        return cls(
            _toml(repository / "consumers/periodic_reports/indicators.toml"),
            vocabulary["bulletins"],
            units,
            _toml(repository / "contracts/desk/deadlines.toml"),
            _toml(repository / "contracts/base/working_days.toml"),
        )

    def is_working(self, day: date) -> bool:
        """Raises KeyError for a day of a year whose days off are not known."""
        known = self.working_days[str(day.year)]
        is_off = day.weekday() > 4 or str(day) in known["off"]
        return str(day) in known.get("working", ()) or not is_off

    def deadline(self, step: str, began: datetime, lane: str) -> datetime | None:
        """Until when a step is to be done; None where a day of an unknown year is in between."""
        if lane == "urgent":
            return began + timedelta(minutes=self.deadlines["urgent_minutes"][step])
        day, left = (began + _HANOI).date(), self.deadlines["working_days"][step]
        while left:
            day += timedelta(1)
            if str(day.year) not in self.working_days:
                return None
            left -= self.is_working(day)
        return datetime.combine(day, self.deadlines["office_ends"], UTC) - _HANOI


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def counts(kind: str, fact: Fact, about: dict[str, Any], rules: Rules) -> Iterator[Count]:
    """Counts by a fact of *kind*. *about*: unit, topic and lane of its item."""
    if kind == "decision":
        yield from _steps(fact, about.get("lane", "normal"), rules)
    yield from _READERS[kind](fact, {name: one for name, one in about.items() if name != "lane"})


def _steps(fact: Fact, lane: str, rules: Rules) -> Iterator[Count]:
    """The steps that people took, and those that were late."""
    sent, confirmed = fact["sent_at"], fact.get("confirmed_at")
    proposed, decided = fact.get("proposed_at"), fact["decided_at"]
    spans = {"confirm": (sent, confirmed), "edit": (confirmed or sent, proposed)}
    if fact["verdict"] in ("approved", "rejected"):
        spans["approve"] = (proposed, decided)
    for step, (began, ended) in spans.items():
        if fact["by_rule"] or fact["returns"] or not began or not ended:
            continue
        if due := rules.deadline(step, _at(began), lane):
            day, parts = _day(decided), {"unit": fact["unit"], "topic": fact["topic"]}
            yield Count("desk.steps", day, 1, parts | {"detail": step})
            yield Count("desk.steps_late", day, _at(ended) > due, parts | {"detail": step})


def _releases(newest: dict[str, Fact]) -> Iterator[Fact]:
    """The releases as readers had them, those of an item in their order.

    None that a later one of its item was released before its time, none that withdraws what readers
    never had; the first one is the publication.
    """
    items = defaultdict[str, list[Fact]](list)
    for fact in (one for key, one in newest.items() if key.startswith("release.")):
        items[fact["content_id"]].append(fact)
    for facts in items.values():
        facts.sort(key=lambda fact: int(fact["revision"]))
        had_before = False
        for number, fact in enumerate(facts):
            is_overtaken = any(
                _at(one["released_at"]) + _SLACK <= _at(fact["shown_at"])
                for one in facts[number + 1 :]
            )
            if is_overtaken or (fact["action"] == "withdrawn" and not had_before):
                continue
            is_again = had_before and fact["action"] == "published"
            action = "republished" if is_again else fact["action"] if had_before else "published"
            yield fact | {"action": action}
            had_before = True


def _announcements(newest: dict[str, Fact]) -> Iterator[Fact]:
    """The releases that told readers of an interruption of which the one before did not."""
    item, before, until = "", dict[str, str](), ""
    for fact in _releases(newest):
        if fact["content_id"] != item:
            item, before = fact["content_id"], {}
        said = {} if fact["action"] == "withdrawn" else fact
        if "interrupts_at" in said and not (before and _is_known(said, before, until)):
            until = said["expected_recovery_at"]
            yield said
        before = said if "interrupts_at" in said else {}


def _is_known(said: Fact, before: Fact, until: str) -> bool:
    """Whether a text changes what the text *before* stated, announced *until* a time."""
    begins, known = _at(said["interrupts_at"]), _at(before["interrupts_at"])
    last = min(_at(until), _at(before["expected_recovery_at"]))
    is_over = "resumed_at" in before
    may_move = not is_over and _at(said["shown_at"]) < known
    is_within = known <= begins <= last if may_move else begins == known
    is_same_end = not is_over or "resumed_at" in said
    return is_within and is_same_end and {*said["services"]} <= {*before["services"]}


def _interruptions(newest: dict[str, Fact], rules: Rules) -> Iterator[Count]:
    """The announcements of interruptions: in time with seven working days between."""
    for fact in _announcements(newest):
        announced, begins = _day(fact["shown_at"]), _day(fact["interrupts_at"])
        days = (announced + timedelta(n) for n in range(1, (begins - announced).days))
        is_forced = fact["is_force_majeure"]
        late = "force_majeure" if is_forced else "late"
        left, names = 7, ["announced"]
        try:
            while left and (day := next(days, None)):
                left -= rules.is_working(day)
            names.append(late if left else "in_time")
        except KeyError:  # the year's working days are unknown
            names += [late] if is_forced else []
        parts = {"unit": fact["unit"], "topic": fact["topic"]}
        for name in names:
            yield Count(f"interruptions.{name}", announced, 1, parts)


def _bulletins(newest: dict[str, Fact], rules: Rules, first: date, last: date) -> Iterator[Count]:
    """The issues of each weekly series, and the weeks of the span that have one."""
    counted = {
        fact["on"]
        for key, fact in newest.items()
        if key.startswith("day.") and "release" in fact["counted"]
    }
    for series, one in rules.series.items():
        days = [
            _day(fact["shown_at"])
            for fact in _releases(newest)
            if str(_day(fact["shown_at"])) in counted
            and re.fullmatch(rf"{series}-\d{{4}}-so-\d{{2,}}", fact["content_id"])
            and (fact["action"], fact["topic"]) == ("published", one["topic"])
        ]
        assert one["rhythm"] == "weekly", "another rhythm has to be counted here, too"
        for day in days:
            yield Count("bulletins.issued", day, 1, {"detail": series})
        sundays = (first + timedelta(n) for n in range((last - first).days + 1))
        for sunday in sundays:
            week = {sunday - timedelta(n) for n in range(7)}
            has_issue = any(day in week for day in days)
            is_known = has_issue or {str(day) for day in week} <= counted
            if sunday.weekday() == 6 and days and sunday >= min(days) and is_known:
                yield Count("bulletins.due", sunday, 1, {"detail": series})
                yield Count("bulletins.in_time", sunday, has_issue, {"detail": series})


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


def _published(newest: dict[str, Fact]) -> Iterator[Count]:
    """How long each text took until readers had it, on the day on which they did."""
    seen = {_release_key(fact): fact["shown_at"] for fact in _releases(newest)}
    for key, fact in newest.items():
        if not key.startswith("decision.") or "published_at" not in fact:
            continue
        release = _release_key(fact)
        shown = seen.get(release) if release in newest else fact["published_at"]
        if shown:
            began = min(_at(fact.get("event_at", fact["sent_at"])), _at(fact["sent_at"]))
            took = math.ceil((_at(shown) - began).total_seconds())
            parts = {"unit": fact["unit"], "topic": fact["topic"]}
            yield Count("desk.published_after", _day(shown), 1, parts, took)


def _release_key(fact: Fact) -> str:
    return f"release.{fact['content_id']}.{fact['revision']}"


def _delivery(fact: Fact, about: dict[str, Any]) -> Iterator[Count]:
    day, parts = _day(fact["ended_at"]), {"channel": fact["channel"], **about}
    numbers = dict(fact["counts"]) | {"expected": sum(fact["counts"].values())}
    numbers |= {name: fact[name] for name in ("copies", "bounced")}
    if "within_10_s" in fact:
        numbers |= {"within_10_s": fact["within_10_s"]}
        numbers |= {"timed": fact["counts"].get("delivered", 0)}
    for name, number in numbers.items():
        yield Count(f"deliveries.{name}", day, number, parts)
    if "most" in fact.get("reached_s", {}):
        most = math.ceil(fact["reached_s"]["most"])
        yield Count("deliveries.most_after", day, 1, parts, most)


def _events(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    for name, number in fact["accepted"].items():
        day, parts = date.fromisoformat(fact["on"]), {"unit": fact["unit"]}
        yield Count(f"events.{name}", day, number, parts)

    yield Count(
        "events.accepted", date.fromisoformat(fact["on"]), sum(fact["accepted"].values()), parts
    )


def _refusals(fact: Fact, _: dict[str, Any]) -> Iterator[Count]:
    day, parts = date.fromisoformat(fact["on"]), {"unit": fact["unit"]}
    yield Count("refusals.events", day, sum(fact["refused"].values()), parts)


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
    "refusals": _refusals, "day": _nothing,
}  # fmt: skip


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _day(text: str) -> date:
    return (_at(text) + _HANOI).date()


# --- figures


class Year:
    """All counts of the span, and the days on which each kind of fact was counted."""

    def __init__(self, newest: dict[str, Fact], first: date, last: date, rules: Rules) -> None:
        self.units = rules.units
        self.days = [first + timedelta(n) for n in range((last - first).days + 1)]
        self.counted = {
            date.fromisoformat(fact["on"]): set(fact["counted"])
            for key, fact in newest.items()
            if key.startswith("day.")
        }
        self.found = defaultdict[tuple[str, str], dict[str, list[Count]]](dict)
        """By kind and dimension, what each part has."""
        for one in (
            *_all_counts(newest, rules),
            *_bulletins(newest, rules, first, last),
            *_interruptions(newest, rules),
            *_published(newest),
        ):
            for by in DIMENSIONS if first <= one.day <= last and self._is_counted(one) else ():
                self.found[one.kind, by].setdefault(_part(one, by), []).append(one)

    def _is_counted(self, one: Count) -> bool:
        """Whether its day was counted to the end; weeks with an issue follow from the calendar."""
        is_rhythm = one.kind in ("bulletins.due", "bulletins.in_time")
        return is_rhythm or _basis(one.kind) in self.counted.get(one.day, set())

    def lost_days(self, kinds: Iterable[str], month: str) -> int:
        """The days on which one of the kinds was not counted."""
        wanted = {_basis(kind) for kind in kinds}
        days = (day for day in self.days if str(day).startswith(month))
        return sum(not wanted <= self.counted.get(day, set()) for day in days)

    def is_lost(self, kinds: Iterable[str], month: str) -> bool:
        days = [day for day in self.days if str(day).startswith(month)]
        return self.lost_days(kinds, month) == len(days)

    def of(self, kinds: Iterable[str], by: str, word: str) -> list[Count]:
        return [one for kind in kinds for one in self.found[kind, by].get(word, ())]

    def words(self, kinds: Iterable[str], by: str) -> set[str]:
        if by == "month":
            return {*self.months()}
        found = {word for kind in kinds for word in self.found[kind, by]}
        return found | self.units if by == "unit" else found

    def months(self) -> list[str]:
        return sorted({str(day)[:7] for day in self.days})


def _basis(kind: str) -> str:
    """The kind of the facts that a kind of counts is made of; no day has those of the empty one."""
    return "" if kind in _NOT_COUNTED else _BASES.get(kind.partition(".")[0], "")


def _all_counts(newest: dict[str, Fact], rules: Rules) -> Iterator[Count]:
    released = [fact for key, fact in newest.items() if key.startswith("release.")]
    released.sort(key=lambda fact: int(fact["revision"]))
    about = {
        fact["content_id"]: {name: fact[name] for name in ("unit", "topic", "lane")}
        for fact in released
    }
    withdrawals = {
        (fact["content_id"], fact["revision"]) for fact in released if fact["action"] == "withdrawn"
    }
    for fact in newest.values():
        if fact.get("content_id", "").startswith("digest-"):
            about[fact["content_id"]] = {"unit": "~digests", "topic": "~digests"}
    for key, fact in newest.items():
        kind = key.partition(".")[0]
        is_withdrawal = (fact.get("content_id"), fact.get("revision")) in withdrawals
        if kind != "release" and not (kind == "delivery" and is_withdrawal):
            yield from counts(kind, fact, about.get(fact.get("content_id", ""), {}), rules)
    for fact in _releases(newest):
        yield from counts("release", fact, about[fact["content_id"]], rules)


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
            whole = sum(one.times for one in year.of(indicator["of"], by, word))
            return _percent(sum(one.times for one in found), whole)
        case "presence":
            months = [one for one in year.months() if not year.is_lost(indicator["kinds"], one)]
            having = {str(one.day)[:7] for one in found if one.times}
            return _percent(len(having & {*months}), len(months))
        case "coverage":
            having = {one.parts.get("unit", "") for one in found if one.times}
            return _percent(len(having & year.units), len(year.units))
    times = sorted(one.seconds or 0 for one in found for _ in range(one.times))
    share = {"median": 0.5, "p90": 0.9}[indicator["how"]]
    return Decimal(times[math.ceil(round(len(times) * share, 6)) - 1]) if times else None


def _percent(part: int, whole: int) -> Decimal | None:
    share = Decimal(100 * part) / whole if whole else None
    return None if share is None else share.quantize(Decimal("0.1"), ROUND_HALF_UP)


def figures(year: Year, rules: Rules) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each figure under `indicator dimension part`, with the number of days without data."""
    for name, indicator in rules.indicators.items():
        kinds = [*indicator["kinds"], *indicator.get("of", ())]
        by_unit = ["unit"] if "statistic" in indicator else []
        for by in sorted({"total", *indicator.get("by", ()), *by_unit}):
            for word in sorted(year.words(kinds, by)) if by != "total" else [""]:
                days = [day for day in year.days if by != "month" or str(day)[:7] == word]
                lost = year.lost_days(kinds, word if by == "month" else "")
                is_known = lost < len(days) and not (
                    by == "channel" and word in indicator.get("not_on", ())
                )
                known = value(year, indicator, by, word) if is_known else None
                figure = {"value": None if known is None else str(known), "lost": lost}
                yield f"{name} {by} {word}", figure


# --- the portal's page of delivery figures


def public(newest: dict[str, Fact], today: date) -> dict[str, Any]:
    """The file of the portal's page, as docs/portal.md says what is in it."""
    counted = {
        date.fromisoformat(fact["on"])
        for key, fact in newest.items()
        if key.startswith("day.") and "delivery" in fact["counted"]
    }
    last = today - timedelta(1 if today - timedelta(1) in counted else 2)
    days = [last - timedelta(n) for n in range(29, -1, -1)]
    told = [
        fact | {"day": _day(fact["ended_at"]), "rows": sum(fact["counts"].values())}
        for key, fact in newest.items()
        if key.startswith("delivery.") and _day(fact["ended_at"]) in counted & {*days}
    ]
    return {
        "first": str(days[0]),
        "last": str(last),
        "days_without_data": [str(day) for day in days if day not in counted],
        "lanes": [*_public_lanes(told, days, is_whole={*days} <= counted)],
        "days": [*_public_days(told, days, counted)],
    }


def _public_lanes(told: list[Fact], days: list[date], *, is_whole: bool) -> Iterator[Fact]:
    for lane in ("urgent", "normal", "bulk"):
        for channel in ("portal", "email", "zalo"):
            row = {"first": str(days[0]), "last": str(days[-1]), "channel": channel, "lane": lane}
            group = [one for one in told if (one["channel"], one["lane"]) == (channel, lane)]
            row |= {"deliveries": len(group)} | _speed(group)
            if row["missing"] != "few_readers":
                timed = [one for one in group if "within_10_s" in one]
                row |= {"recipients": sum(one["rows"] for one in group)}
                row |= {"delivered": sum(one["counts"].get("delivered", 0) for one in group)}
                row |= {"timed": sum(one["counts"].get("delivered", 0) for one in timed)}
                row |= {"within_10_s": sum(one["within_10_s"] for one in timed)}
            if not (group or is_whole):
                row |= dict.fromkeys(("recipients", "delivered", "timed", "within_10_s"))
                row |= {"deliveries": None, "missing": "no_data"}
            yield dict.fromkeys(("recipients", "delivered", "timed", "within_10_s")) | row


def _public_days(told: list[Fact], days: list[date], counted: set[date]) -> Iterator[Fact]:
    for day in days:
        for lane in ("urgent", "normal", "bulk"):
            row = {"first": str(day), "last": str(day), "channel": "email", "lane": lane}
            place = ("email", lane, day)
            group = [one for one in told if (one["channel"], one["lane"], one["day"]) == place]
            none = {"percent_within_10_s": None, "missing": "no_data"}
            yield row | (_speed(group) if day in counted else none)


def _speed(group: list[Fact]) -> Fact:
    """The share that was there within ten seconds, cut to a tenth, or why there is none."""
    timed = [one for one in group if "within_10_s" in one]
    delivered = sum(one["counts"].get("delivered", 0) for one in timed)
    is_few = group and group[0]["channel"] == "email" and max(one["rows"] for one in group) < 10
    if not group or is_few or not delivered:
        why = "few_readers" if is_few else "not_timed" if group else "nothing_sent"
        return {"percent_within_10_s": None, "missing": why}
    within = sum(one["within_10_s"] for one in timed)
    return {"percent_within_10_s": within * 1000 // delivered / 10, "missing": None}


def main(url: str, first: str, last: str, repository: str) -> None:
    newest, read = dict[str, Fact](), 0
    for subject, body in messages(url):
        newest[subject.removeprefix("fact.")] = json.loads(body)
        read += 1
    days = date.fromisoformat(first), date.fromisoformat(last)
    rules = Rules.read(Path(repository), days[0])
    year = Year(newest, *days, rules)
    json.dump({"messages": read, "figures": dict(figures(year, rules))}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
