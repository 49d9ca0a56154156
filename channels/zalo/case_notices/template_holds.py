"""Holds per template: after a quota or configuration error, further sends wait until it lifts."""

from dataclasses import dataclass, field

from channels.zalo import error_codes
from channels.zalo.case_notices.template_models import Template
from channels.zalo.clock import Jitter, wait_s
from channels.zalo.error_codes import ErrorKind, ErrorRule
from channels.zalo.errors import Refused, row_held
from contracts.base.times import Clock

OPERATOR_HOLD_S = 300.0


@dataclass(frozen=True, slots=True)
class Hold:
    """No send before `until`; the rows that wait are spread over `spread_s`."""

    until: float
    reason: str
    spread_s: float = 0.0


@dataclass
class TemplateHolds:
    """One hold per template and kind of address: by phone and by user id they differ."""

    clock: Clock
    jitter: Jitter
    holds: dict[tuple[str, bool], Hold] = field(default_factory=dict)

    def raise_if_held(self, template: Template, by_user_id: bool) -> None:
        """Raises RowOutcome while a hold applies."""
        now = self.clock()
        for scope in (template.id, template.tag):
            hold = self.holds.get((scope, by_user_id))
            if hold and hold.until > now:
                after_s = hold.until - now + self.jitter() * hold.spread_s
                raise row_held(hold.reason, after_s)

    def record_refusal(self, refused: Refused, template: Template, by_user_id: bool) -> None:
        """Start a hold after a configuration error, or a used quota of a template or a tag."""
        rule, now = refused.rule, self.clock()
        if rule.kind is ErrorKind.OPERATOR:
            self.holds[template.id, by_user_id] = Hold(now + OPERATOR_HOLD_S, refused.reason)
        elif rule.until and (scope := _quota_scope(rule, template)):
            until = now + wait_s(rule.until, now, lambda: 0.0)
            self.holds[scope, by_user_id] = Hold(until, refused.reason, rule.until.spread_s)


def _quota_scope(rule: ErrorRule, template: Template) -> str:
    """The scope of a used quota: the template's id, or the tag of promotions; otherwise empty."""
    if rule.reason == error_codes.TEMPLATE_QUOTA:
        return template.id
    if rule.reason == error_codes.PROMOTION_QUOTA and not template.is_any_hour:
        return template.tag
    return ""
