"""All that a relay and a network can do at once, by seed: afterwards both have the same books."""

import random
from collections import Counter

import pytest

from channels.email.smtp import connection
from contracts.delivery import Status
from tests.support.email_pipeline import EmailPipeline, check_ledger
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.tcp_proxy import TcpProxy

ITEMS, READERS = 10, 30
SPELLS, SPELL_S = 16, 60.0
NO = (b"421 4.3.2 bye", b"451 4.3.0 later", b"450 greylisted", b"550 5.1.1 no", b"554 5.7.1 no")
ACTS = {
    "greeting": (b"421 4.3.2 bye", b"554 5.7.1 no", ScriptedAction.CUT),
    "EHLO": (b"421 4.3.2 bye", ScriptedAction.CUT),
    "MAIL": (*NO, ScriptedAction.CUT, ScriptedAction.LAST, b"354 what?"),
    "RCPT": (*NO, ScriptedAction.CUT, ScriptedAction.LAST),
    "DATA": (*NO, ScriptedAction.CUT, b"250 what?"),
    "body": (ScriptedAction.CUT,),
    "end": (
        *NO,
        ScriptedAction.CUT,
        ScriptedAction.LAST,
        ScriptedAction.RECORD_CUT,
        ScriptedAction.RECORD_CUT,
        ScriptedAction.RECORD_SWALLOW,
    ),
}


class RandomRelay(SmtpReceiver):
    """Does what the dice say, one time in *odds*."""

    def throw(self, rnd):
        self.rnd, self.odds, self.done = rnd, 0.0, Counter()

    def scripted_action(self, stage, recipient):
        if self.rnd.random() >= self.odds or stage not in ACTS:
            return None
        chosen = self.rnd.choice(ACTS[stage])
        self.done[stage, chosen] += 1
        return chosen


async def weather(rnd, proxy, relay):
    """Conditions of the next minute."""
    proxy.reset_faults()
    relay.odds = rnd.choice((0.0, 0.02, 0.1))
    match rnd.choice(("fair", "cut up", "cut down", "silence", "pieces", "nobody")):
        case "cut up":
            proxy.up.cut_after, proxy.up.rst = rnd.randrange(60_000), rnd.random() < 0.5
        case "cut down":
            proxy.down.cut_after, proxy.down.rst = rnd.randrange(2_000), rnd.random() < 0.5
        case "silence":
            proxy.down.swallow_after = rnd.randrange(100, 1_500)
        case "pieces":
            proxy.up.slice, proxy.down.slice = rnd.randrange(500, 3_000), rnd.randrange(1, 9)
        case "nobody":
            await proxy.refuse()
            proxy.cut(rst=rnd.random() < 0.5)
            return
    if not proxy.listening.is_serving():
        await proxy.accept()


@pytest.mark.promise("5.3")
@pytest.mark.parametrize("seed", range(12))
async def test_after_any_weather_the_books_are_what_the_relay_has(bus, tmp_path, seed, monkeypatch):
    monkeypatch.setattr(connection, "REPLY_TIMEOUT_S", 0.3)
    rnd, plans = random.Random(seed), []
    async with RandomRelay(pipelining=seed % 2 == 0) as relay, TcpProxy(relay.port) as proxy:
        relay.throw(rnd)
        loa = EmailPipeline(bus, tmp_path, READERS, proxy.port, timeout_s=0.15, connections=4)
        for spell in range(SPELLS):
            await weather(rnd, proxy, relay)
            if spell < ITEMS:
                plans.append(await loa.plan(content_id=f"tin-{spell}"))
            await loa.run(*plans, until=loa.clock() + SPELL_S)
        relay.odds = 0.0
        proxy.reset_faults()
        if not proxy.listening.is_serving():
            await proxy.accept()
        await loa.run(*plans)
        extra = await check_ledger(loa, relay, *plans)
        assert extra <= await loa.copies(*plans)
        ended = sum([Counter(await loa.status_counts(plan)) for plan in plans], Counter())
        assert ended.total() == ITEMS * READERS
        assert set(ended) <= {Status.DELIVERED, Status.FAILED, Status.MAYBE_SENT}
