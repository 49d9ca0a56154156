"""Zalo's error codes: `error_codes.toml` is the table, `classify` looks a code up."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from channels.zalo.clock import Until
from contracts.catalog import load_texts

OA_HOST, BUSINESS_HOST, OAUTH_HOST = "oa", "business", "oauth"
COVER, TOKEN_LOST = "cover", "token"
NOT_BY_USER_ID, TEMPLATE_GONE = "not by user id", "template gone"
DAILY_QUOTA, TEMPLATE_QUOTA, PROMOTION_QUOTA = "daily quota", "template quota", "promotion quota"
DAY_S = 86400.0
_BAD_TOKEN = re.compile(r"access[ _]?token\b.*\b(invalid|expired|removed)", re.IGNORECASE)


class ErrorKind(StrEnum):
    """Class of an error: the reaction that it permits."""

    RETRY = "R"
    QUOTA = "Q"
    TOKEN = "T"  # noqa: S105 -- a class of answers, not a secret
    RECIPIENT = "U"
    CONTENT = "C"
    OPERATOR = "A"
    POLL = "P"


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One rule of the table. `fix` says where an operator corrects the cause.

    `silence_days`: for so long the person need not be tried again.
    """

    kind: ErrorKind
    reason: str = ""
    match: str = ""
    until: Until | None = None
    after_s: float | None = None
    ambiguous: bool = False
    known: bool = True
    fix: str = ""
    silence_days: float = 0.0


_UNKNOWN_RULE = ErrorRule(ErrorKind.CONTENT, "unknown code", known=False)
_BAD_TOKEN_RULE = ErrorRule(ErrorKind.TOKEN)
_APP_FIX = "app"


def classify(host: str, code: int, message: str) -> ErrorRule:
    """The rule for an error; an unknown code counts as a content error."""
    if _BAD_TOKEN.search(message):
        return _BAD_TOKEN_RULE
    text = message.casefold()
    candidates = rules_by_code(host).get(code, (_UNKNOWN_RULE,))
    return next((rule for rule in candidates if rule.match in text), _UNKNOWN_RULE)


@cache
def rules_by_code(host: str) -> dict[int, tuple[ErrorRule, ...]]:
    """Every code of *host* with its rules, most specific first."""
    entries = _load_table()[host].items()
    listed = {code: entry if isinstance(entry, list) else [entry] for code, entry in entries}
    return {int(code): tuple(map(_parse_rule, rules)) for code, rules in listed.items()}


def operator_fix(name: str) -> str:
    """Where an operator corrects the cause *name*; empty without a name."""
    return str(_load_table()["fix"][name]) if name else ""


def classify_oauth(code: int | None) -> ErrorRule:
    """The rule for an error of the OAuth host. Zalo has no list of its codes: most are unknown."""
    unknown = ErrorRule(ErrorKind.OPERATOR, known=False, fix=operator_fix(_APP_FIX))
    return rules_by_code(OAUTH_HOST).get(code or 0, (unknown,))[0]


def _load_table() -> dict[str, Any]:
    return load_texts(Path(__file__).parent / "error_codes.toml")


def _parse_rule(rule: dict[str, Any]) -> ErrorRule:
    until = rule.get("until")
    read = {
        "kind": ErrorKind(rule["kind"]),
        "until": Until(until) if until else None,
        "fix": operator_fix(rule.get("fix", "")),
    }
    return ErrorRule(**{**rule, **read})
