"""What Zalo's codes mean for us: `codes.toml` is the table, `judge` looks it up."""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from channels.zalo.hours import Until

OA, BUSINESS, OAUTH = "oa", "business", "oauth"
COVER, TOKEN_LOST = "cover", "token"
NOT_BY_USER_ID, TEMPLATE_GONE = "not by user id", "template gone"
DAILY_QUOTA, TEMPLATE_QUOTA, PROMOTION_QUOTA = "daily quota", "template quota", "promotion quota"
DAY_S = 86400.0
_BAD_TOKEN = re.compile(r"access[ _]?token\b.*\b(invalid|expired|removed)", re.IGNORECASE)


class Kind(StrEnum):
    """What may be done about an answer."""

    RETRY = "R"
    QUOTA = "Q"
    TOKEN = "T"  # noqa: S105 -- a class of answers, not a secret
    RECIPIENT = "U"
    CONTENT = "C"
    OPERATOR = "A"
    POLL = "P"


@dataclass(frozen=True, slots=True)
class Ruling:
    """One rule of the table. `fix` says where an operator puts it right.

    `silence_days`: so long a person of whom Zalo says this need not be tried again.
    """

    kind: Kind
    reason: str = ""
    match: str = ""
    until: Until | None = None
    after_s: float | None = None
    ambiguous: bool = False
    known: bool = True
    fix: str = ""
    silence_days: float = 0.0


class Refused(Exception):
    """Zalo answered, and the answer is no. It surely did nothing, unless `ruling.ambiguous`."""

    def __init__(self, call: str, code: int, words: str, ruling: Ruling) -> None:
        super().__init__(f"{call}: {code}")
        self.call = call
        self.code = code
        self.words = words
        self.ruling = ruling

    @property
    def reason(self) -> str:
        """Short, and safe to log."""
        return f"zalo {self.code} {self.ruling.reason}".rstrip()


UNKNOWN = Ruling(Kind.CONTENT, "unknown code", known=False)
BAD_TOKEN = Ruling(Kind.TOKEN)
APP = "app"


def judge(host: str, code: int, words: str) -> Ruling:
    """The ruling for an answer that is not a success; an unknown code is a content failure."""
    if _BAD_TOKEN.search(words):
        return BAD_TOKEN
    text = words.casefold()
    candidates = table(host).get(code, (UNKNOWN,))
    return next((found for found in candidates if found.match in text), UNKNOWN)


@cache
def table(host: str) -> dict[int, tuple[Ruling, ...]]:
    """Every code of *host* with its rulings, most special first."""
    return {int(code): rulings(entry) for code, entry in source()[host].items()}


def fix(name: str) -> str:
    """Where an operator puts something right; empty for nothing."""
    return str(source()["fix"][name]) if name else ""


def not_set_up(code: int | None) -> Ruling:
    """The OAuth host's no to an app; Zalo has no list of its codes, so that most are unknown."""
    unknown = Ruling(Kind.OPERATOR, known=False, fix=fix(APP))
    return table(OAUTH).get(code or 0, (unknown,))[0]


@cache
def source() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "codes.toml").read_text("utf-8"))


def rulings(entry: dict[str, Any] | list[dict[str, Any]]) -> tuple[Ruling, ...]:
    rules = entry if isinstance(entry, list) else [entry]
    return tuple(ruling(rule) for rule in rules)


def ruling(rule: dict[str, Any]) -> Ruling:
    until = rule.get("until")
    read = {
        "kind": Kind(rule["kind"]),
        "until": Until(until) if until else None,
        "fix": fix(rule.get("fix", "")),
    }
    return Ruling(**{**rule, **read})
