"""What Zalo's codes mean for us: `codes.toml` is the table, `judge` looks it up."""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from channels.zalo.hours import Until

OA, BUSINESS = "oa", "business"
COVER, TOKEN_LOST = "cover", "token"
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
    """One rule of the table. `fix` says where an operator puts it right."""

    kind: Kind
    reason: str = ""
    match: str = ""
    until: Until | None = None
    after_s: float | None = None
    ambiguous: bool = False
    known: bool = True
    fix: str = ""


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


def judge(host: str, code: int, words: str) -> Ruling:
    """The ruling for an answer that is not a success; an unknown code is a content failure."""
    if _BAD_TOKEN.search(words):
        return BAD_TOKEN
    text = words.casefold()
    rulings = table(host).get(code, (UNKNOWN,))
    return next((ruling for ruling in rulings if ruling.match in text), UNKNOWN)


@cache
def table(host: str) -> dict[int, tuple[Ruling, ...]]:
    """Every code of *host* with its rulings, most special first."""
    data = tomllib.loads((Path(__file__).parent / "codes.toml").read_text("utf-8"))
    fixes: dict[str, str] = data["fix"]
    return {int(code): _rulings(entry, fixes) for code, entry in data[host].items()}


def _rulings(entry: dict[str, Any] | list[dict[str, Any]], fixes: dict[str, str]) -> tuple[Ruling, ...]:
    rules = entry if isinstance(entry, list) else [entry]
    return tuple(_ruling(rule, fixes) for rule in rules)


def _ruling(rule: dict[str, Any], fixes: dict[str, str]) -> Ruling:
    read: dict[str, Any] = {"kind": Kind(rule["kind"])}
    if "until" in rule:
        read["until"] = Until(rule["until"])
    if "fix" in rule:
        read["fix"] = fixes[rule["fix"]]
    return Ruling(**{**rule, **read})
