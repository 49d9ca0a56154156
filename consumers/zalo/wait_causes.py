"""Why rows wait at Zalo: a limit of ours, a quota of Zalo, or what a person has to do there."""

import re
from dataclasses import dataclass
from enum import StrEnum

from channels.zalo import error_codes
from channels.zalo.clock import Until
from channels.zalo.error_codes import ErrorKind
from contracts.errors import Bilingual

_OWN_QUOTA = re.compile(r"our (.+) quota")
_LONG = (Until.DAY, Until.MONTH)
_PER_RECIPIENT = "recipient quota"
_NO_FIX = Bilingual("", "")


class Limit(StrEnum):
    """Our own limits, by the names that rows and logs have."""

    ARTICLES = "articles"
    BROADCASTS = "broadcasts"
    DAILY_BROADCASTS = "daily-broadcasts"
    NOTICES = "notices"
    DAILY_MONEY = "daily money"
    MONTHLY_MONEY = "monthly money"

    @property
    def variable(self) -> str:
        """The setting that sets it."""
        return f"LOA_ZALO_{_SETTINGS[self].upper()}"


_SETTINGS = {
    Limit.ARTICLES: "articles_per_month",
    Limit.BROADCASTS: "broadcasts_per_month",
    Limit.DAILY_BROADCASTS: "broadcasts_per_day",
    Limit.NOTICES: "notices_per_day",
    Limit.DAILY_MONEY: "money_per_day",
    Limit.MONTHLY_MONEY: "money_per_month",
}


@dataclass(frozen=True, slots=True)
class WaitCause:
    """Why rows wait: a limit of ours, a quota of Zalo, or what Zalo wants a person to do."""

    reason: str
    limit: Limit | None = None
    is_quota: bool = False
    fix: Bilingual = _NO_FIX

    @property
    def needs_person(self) -> bool:
        """Whether rows wait until a person has acted at Zalo, not for a time."""
        return not (self.limit or self.is_quota)


def explain_wait(reason: str) -> WaitCause | None:
    """The cause of a row's *reason*; None for a wait that ends soon and by itself."""
    if own := _OWN_QUOTA.fullmatch(reason):
        names = list(Limit)
        return WaitCause(reason, Limit(own[1]), is_quota=True) if own[1] in names else None
    rule = error_codes.rule_of_reason(reason)
    if rule is None or rule.reason == _PER_RECIPIENT:
        return None
    if rule.kind is ErrorKind.QUOTA and rule.until in _LONG:
        return WaitCause(reason, is_quota=True, fix=error_codes.bilingual_fix(rule.fix))
    fix = error_codes.operator_fix_of(rule)
    return WaitCause(reason, fix=error_codes.bilingual_fix(fix)) if fix else None
