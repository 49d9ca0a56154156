"""What a window may bring back, by what it says of its channel."""

from channels.base import Outcome, Verdict

DELIVERED, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT)
UNSENT, LOST = Outcome(Verdict.UNSENT, "deadline"), Outcome(Verdict.UNSENT, "421", trouble=True)
NOT_ASKED = Outcome(Verdict.DEFERRED, "the article is not live", asked=False)
HELD, NO_TOKEN = Outcome(Verdict.HELD, "quota"), Outcome(Verdict.HELD, "token", trouble=True)
