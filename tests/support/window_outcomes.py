"""What a window may bring back, by what it says of its channel."""

from channels.base import Outcome, Verdict

DELIVERED, DOUBT = Outcome(Verdict.DELIVERED), Outcome(Verdict.DOUBT)
UNSENT, LOST = (
    Outcome(Verdict.UNSENT, "deadline"),
    Outcome(Verdict.UNSENT, "421", channel_wide=True),
)
NOT_ASKED = Outcome(Verdict.DEFERRED, "the article is not live", reached_provider=False)
HELD, NO_TOKEN = Outcome(Verdict.HELD, "quota"), Outcome(Verdict.HELD, "token", channel_wide=True)
