"""Zalo's error codes: `error_codes.toml` is the table, `classify` looks a code up."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from channels.zalo.clock import Until
from contracts.catalog import load_texts
from contracts.errors import Bilingual

OA_HOST, BUSINESS_HOST, OAUTH_HOST = "oa", "business", "oauth"
_HOSTS = (OA_HOST, BUSINESS_HOST)
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
CONSENT_FIX, _APP_FIX = "consent", "app"
_REASON = re.compile(r"zalo (-?\d+)(?: (.+))?")


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


def operator_fix_of(rule: ErrorRule) -> str:
    """Where an operator has to act on an error of *rule*; empty when no action is needed."""
    needed = rule.kind in (ErrorKind.OPERATOR, ErrorKind.TOKEN)
    return rule.fix or (operator_fix(CONSENT_FIX) if needed else "")


def bilingual_fix(fix: str) -> Bilingual:
    """The text of an `ErrorRule.fix` in both languages; empty without one."""
    table = _load_table()
    names = {text: name for name, text in table["fix"].items()}
    return Bilingual(fix, table["fix_vi"][names[fix]]) if fix else Bilingual("", "")


def rule_of_reason(reason: str) -> ErrorRule | None:
    """The rule that refused with *reason* ("zalo -211 quota"); None for another reason.

    Both hosts use some codes; a rule that says where to act comes first.
    """
    parts = _REASON.fullmatch(reason)
    if parts is None:
        return None
    code, words = int(parts[1]), parts[2] or ""
    rules = [rule for host in _HOSTS for rule in rules_by_code(host).get(code, ())]
    same = sorted((rule for rule in rules if rule.reason == words), key=lambda one: not one.fix)
    return next(iter(same), None)


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
