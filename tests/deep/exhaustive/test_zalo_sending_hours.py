"""A virtual week of case notices within their sending hours."""

from datetime import datetime
from heapq import heappop, heappush

from channels.base import Verdict
from contracts.base.times import vietnam_time
from tests.support.zalo_notices import sample_notice


async def test_a_virtual_week_sends_nothing_outside_its_hours(zalo_notices):
    """A notice an hour, day and night, of both tags; what is held comes back spread, and goes."""
    await zalo_notices.set_template("2", tag="CUSTOMER_CARE")
    zalo_notices.set_time("2027-01-18 00:30:00")
    zalo_notices.channel.notices.timing = VaryingOdds()
    queue = [(zalo_notices.clock() + number * 1800, number) for number in range(2 * 7 * 24)]
    released = []
    while queue:
        due, zalo_notices.revision = heappop(queue)
        zalo_notices.clock.now = max(zalo_notices.clock.now, due)
        outcome = await zalo_notices.send(
            sample_notice("24"[zalo_notices.revision % 2]), again=True
        )
        if outcome.verdict is Verdict.HELD:
            released.append(zalo_notices.clock() + outcome.retry_after_s)
            heappush(queue, (released[-1], zalo_notices.revision))
    sent = {tag: list(sent_at(zalo_notices, tag)) for tag in ("CUSTOMER_CARE", "TRANSACTION")}
    assert {tag: len(times) for tag, times in sent.items()} == dict.fromkeys(sent, 7 * 24)
    times = [f"{vietnam_time(at):%H:%M:%S}" for at in sent["CUSTOMER_CARE"]]
    assert (min(times) >= "07:00:00", max(times) < "21:30:00") == (True, True)
    assert len({vietnam_time(at).hour for at in sent["TRANSACTION"]}) == 24
    assert len(released) >= 7 * 9
    assert all("07:05" <= f"{vietnam_time(at):%H:%M}" <= "07:15" for at in released)
    assert len(set(released)) == len(released), "not all at once"


class VaryingOdds:
    """Chances that differ."""

    def __init__(self):
        self.number = 0

    def jitter(self):
        self.number += 1
        return self.number * 0.37 % 1


def sent_at(pipeline, tag):
    """When the messages of a tag were taken, by Zalo's own log."""
    for fact in pipeline.account.sandbox.world.journal.facts():
        if fact["kind"] == "template_sent" and fact["message"]["tag"] == tag:
            yield datetime.fromisoformat(fact["at"]).timestamp()
