"""What Zalo has refused to one row and would refuse to the next: nobody asks before it may go."""

from dataclasses import dataclass

from channels.base import Outcome, Verdict
from channels.zalo import codes
from channels.zalo.codes import Kind, Refused, Ruling
from channels.zalo.hours import JITTER_S, Chance, Clock, wait_s
from channels.zalo.outcomes import Stop
from channels.zalo.template_book import Template

SHUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Shut:
    """No row asks again before `until`; those who wait are spread over `spread_s`."""

    until: float
    reason: str
    spread_s: float = 0.0


class Shutters:
    """One for each template and road: what holds by user id may go by phone."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self.clock = clock
        self.chance = chance
        self.shut: dict[tuple[str, bool], Shut] = {}

    def respect(self, template: Template, by_user_id: bool) -> None:
        """Raises Stop as long as nobody need ask."""
        now = self.clock()
        for scope in (template.id, template.tag):
            shut = self.shut.get((scope, by_user_id))
            if shut and shut.until > now:
                after_s = shut.until - now + self.chance() * shut.spread_s
                raise Stop(Outcome(Verdict.HELD, shut.reason, after_s, asked=False))

    def learn(self, refused: Refused, template: Template, by_user_id: bool) -> None:
        """What an operator has to put right, and what a template or all of its tag have used up."""
        ruling, now = refused.ruling, self.clock()
        if ruling.kind is Kind.OPERATOR:
            self.shut[template.id, by_user_id] = Shut(now + SHUT_S, refused.reason)
        elif ruling.until and (scope := used_up(ruling, template)):
            until = now + wait_s(ruling.until, now, lambda: 0.0)
            self.shut[scope, by_user_id] = Shut(until, refused.reason, JITTER_S[ruling.until])


def used_up(ruling: Ruling, template: Template) -> str:
    """A template's id, or the tag of promotions; never the tag of news about one's own affairs."""
    if ruling.reason == codes.TEMPLATE_QUOTA:
        return template.id
    if ruling.reason == codes.PROMOTION_QUOTA and not template.any_hour:
        return template.tag
    return ""
