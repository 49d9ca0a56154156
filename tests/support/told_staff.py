"""Mails to the staff about an item's acts, said once more for tests.

Each mail is known by its person and the beginning of its subject.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from contracts.editorial import Action

Told = Counter[tuple[str, str]]
QUIET = timedelta(seconds=30)
"""Acts of one person that follow each other so closely are told together (docs/desk.md)."""
WAITS = {
    "submit": ("binh", "Chờ xác nhận"),
    "confirm": ("chi", "Chờ biên tập"),
    "propose": ("dung", "Chờ duyệt"),
}
"""Who is told that the item waits for them; it is told no more when the item has moved on."""
TELLS_WRITER = {  # a planned time is told with the publication
    "confirm": "Đơn vị đã xác nhận",
    "edit": "Đang biên tập",
    "propose": "Đã trình duyệt",
    "approve": "Đã duyệt",
    "schedule": "Đã đăng",
    "publish": "Đã đăng",
    "withdraw": "Đã gỡ",
}
ENDS = {"submit": "confirm", "confirm": "propose", "propose": "approve"}
CORRECTED = "Đã đăng bản mới"


class _Mail(NamedTuple):
    act: Action
    login: str
    says: str


def mails_due(acts: Sequence[Action], writer: str = "an") -> tuple[Told, Told]:
    """The mails of an item's *acts*, and those that may be left out because the item moved on."""
    mails = [*_mails(acts, writer)]
    kept = [one for one in mails if not any(_replaces(other, one) for other in mails)]
    must: Told = Counter()
    may: Told = Counter()
    for one in kept:
        is_wait = (one.login, one.says) in WAITS.values()
        if not is_wait:
            must[one.login, one.says] += 1
        elif not any(_ends_soon(one.act, other) for other in acts):
            may[one.login, one.says] += 1
    return must, may


def _mails(acts: Sequence[Action], writer: str) -> Iterable[_Mail]:
    before, corrects = "", False
    for act in acts:
        kind = act.kind.value
        if kind in WAITS:
            yield _Mail(act, *WAITS[kind])
        if kind in TELLS_WRITER and kind != before:  # edited again, it is where it was
            says = CORRECTED if kind == "publish" and corrects else TELLS_WRITER[kind]
            yield _Mail(act, writer, says)
        corrects = corrects or kind == "publish"
        before = kind


def _replaces(later: _Mail, mail: _Mail) -> bool:
    """Whether one mail is told in the place of another."""
    is_same = (later.act.by, later.login) == (mail.act.by, mail.login)
    return (
        is_same and later.act is not mail.act and timedelta() <= later.act.at - mail.act.at <= QUIET
    )


def _ends_soon(act: Action, other: Action) -> bool:
    """Whether the wait of *act* ended before it was worked through."""
    is_end = (other.kind.value, other.revision) == (ENDS[act.kind.value], act.revision)
    return is_end and other.at - act.at < QUIET
