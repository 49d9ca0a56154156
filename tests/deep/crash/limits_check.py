"""Bounds: how much may be declared after so many kills, and how soon a recipient is tried again."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from consumers.ledger.entry import LedgerEntry, is_maybe
from contracts.delivery import BatchKey
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.received_mail import CUT, LATER, ReceivedMail
from tests.deep.crash.short_waits import LADDER_S, LAST_S

WINDOW = {"email": 25, "portal": 1, "zalo": 1}
"""Rows of one batch that a kill can leave in doubt: those of its one window on the wire."""
EARLY_S = 1.0
"""What is due within a second counts as due."""


def declaration_errors(
    books: LedgerSnapshot, mails: Iterable[ReceivedMail], kills: Sequence[float], answers_lost: int
) -> Iterator[str]:
    """A doubt has a cause: a kill while the batch was open, or an answer that was cut off.

    A product that calls everything "maybe" declares more than that. Which of Zalo's rows lost an
    answer is not known, so all of them together may have so many more.
    """
    cuts = cut_off_answers(books, mails)
    excess: Counter[str] = Counter()
    for batch, entry in books.entries.items():
        allowed = WINDOW[batch.channel] * kills_during(entry, kills) + cuts[batch]
        claimed = max(entry.possible_copies, sum(is_unsure(letter) for letter in entry.rows))
        more = claimed - allowed
        if more > 0 and batch.channel == "zalo":
            excess[batch.channel] += more
        elif more > 0:
            yield f"declared too much: {batch} has {claimed} doubts, {allowed} have a cause"
    for channel, more in excess.items():
        if more > answers_lost:
            yield f"declared too much: {channel} has {more} doubts for {answers_lost} lost answers"


def is_unsure(letter: int) -> bool:
    return is_maybe(letter) or letter == ord("k")


def cut_off_answers(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Counter[BatchKey]:
    """How many answers the relay cut off, by batch."""
    rows = mail_rows(books)
    return Counter(rows[one.key].batch for one in mails if one.reply == CUT and one.key in rows)


def kills_during(entry: LedgerEntry, kills: Sequence[float]) -> int:
    """Kills in the life of a batch."""
    end = entry.closed_at or float("inf")
    return sum(entry.created <= at <= end for at in kills)


def mail_rows(books: LedgerSnapshot) -> dict[str, Row]:
    return {row.delivery_key[:32]: row for row in books.rows if row.plan.channel == "email"}


def early_retries(
    books: LedgerSnapshot, mails: Iterable[ReceivedMail], kills: Sequence[float]
) -> Iterator[str]:
    """Nobody who put us off is tried again before their rung, nor more often than there are rungs.

    A refusal that a kill kept from being booked is forgotten: then it may be at once. Which mail a
    refused recipient was to get is not known to the relay; so only refusals at a mail's end count.
    """
    rows = mail_rows(books)
    tries: defaultdict[str, list[ReceivedMail]] = defaultdict(list)
    for one in mails:
        tries[one.key].append(one)
    for key, attempts in tries.items():
        if key not in rows:
            continue  # the judge names it
        between = count(kills, attempts[0].began, attempts[-1].ended)
        cuts = sum(one.reply == CUT for one in attempts)
        if len(attempts) > len(LADDER_S) + between + cuts:
            yield f"tried too often: {rows[key]} {len(attempts)} times"
        yield from too_soon(books, rows[key], attempts, kills)


def too_soon(
    books: LedgerSnapshot, row: Row, attempts: Sequence[ReceivedMail], kills: Sequence[float]
) -> Iterator[str]:
    last = books.end(row) - LAST_S
    rung = 0
    for before, after in pairwise(attempts):
        if before.reply != LATER or count(kills, before.began, after.began):
            continue
        rung += 1
        least_s = LADDER_S[min(rung, len(LADDER_S) - 1)] - EARLY_S
        waited_s = after.began - before.ended
        if waited_s < least_s and after.began < last - EARLY_S:  # the last try may come earlier
            yield f"too soon: {row} was tried {waited_s:.2f} s after it was put off"


def count(kills: Sequence[float], start: float, end: float) -> int:
    return sum(start <= at <= end for at in kills)
