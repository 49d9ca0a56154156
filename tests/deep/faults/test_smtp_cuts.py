"""A connection that breaks at any byte, either way: whole mails only, and the books are exact.

A proxy ends the first connection after k bytes; k goes over the whole conversation about three
mails. From the bytes that were let through follows which mail could be in doubt: all others must be
delivered once, and not even declared as a possible copy.
"""

from dataclasses import dataclass
from itertools import count, pairwise

import pytest

from tests.support.email_pipeline import EmailPipeline, check_ledger, expected_mail
from tests.support.scripted_channel import reader_ids
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.tcp_proxy import TcpProxy

READERS = 3
BODIES, BORDERS, OPENING = 36, 16, 24
HOW = pytest.mark.parametrize("rst", [False, True], ids=["fin", "rst"])


@dataclass
class CutBench:
    """A pipeline whose relay is behind a proxy, and ever new items for three readers."""

    loa: EmailPipeline
    receiver: SmtpReceiver
    proxy: TcpProxy
    numbers: count

    async def send(self):
        """One item, over new connections; returns its plan."""
        self.loa.provider.pool.close_idle()
        self.receiver.mails.clear()
        self.proxy.up.bytes_seen.clear()
        self.proxy.down.bytes_seen.clear()
        plan = await self.loa.plan(content_id=f"tin-{next(self.numbers):06d}")
        await self.loa.run(plan)
        return plan

    async def cut(self, way, k, rst):
        """The same with the first connection cut; who is declared, and how many got a copy."""
        self.proxy.reset_faults()
        way.only, way.cut_after, way.rst = frozenset({self.proxy.connected}), k, rst
        plan = await self.send()
        extra = await check_ledger(self.loa, self.receiver, plan)
        letters = "".join((await self.loa.rows(plan)).values())
        assert set(letters) <= {"d", "D"}, letters
        assert extra <= await self.loa.copies(plan) == letters.count("D")
        return [row for row, letter in enumerate(letters) if letter == "D"], extra


@pytest.fixture
async def cut_bench(bus, tmp_path, request):
    async with SmtpReceiver(pipelining=request.param) as receiver, TcpProxy(receiver.port) as proxy:
        proxy.up.keep = proxy.down.keep = True
        yield CutBench(EmailPipeline(bus, tmp_path, READERS, proxy.port), receiver, proxy, count())


def spread(numbers, wanted, other):
    """About *wanted* of *numbers*, evenly, and the last; *other* = those in between."""
    step = max(1, len(numbers) // wanted)
    return sorted({*numbers[step // 2 * other :: step], numbers[-1]})


BENCHES = pytest.mark.parametrize(
    "cut_bench", [True, False], ids=["pipelining", "stepwise"], indirect=True
)


@pytest.mark.promise("5.2")
@BENCHES
@HOW
async def test_cut_on_the_way_to_the_relay_nobody_gets_half_a_mail_or_a_spare_copy(cut_bench, rst):
    plan = await cut_bench.send()
    said = bytes(cut_bench.proxy.up.bytes_seen)
    spans = [bodies(cut_bench.loa, plan, said, reader) for reader in reader_ids(READERS)]
    points, doubted = cuts(spans, said, rst), 0
    for k in points:
        declared, copies = await cut_bench.cut(cut_bench.proxy.up, k, rst)
        begun = [row for row, (start, _) in enumerate(spans) if start < k]
        over = not cut_bench.receiver.pipelining and begun and k > spans[begun[-1]][1]
        assert declared in ([], *([[begun[-1]]] if begun and not over else [])), f"cut after {k}"
        arrived = begun and k >= spans[begun[-1]][1]
        assert copies == 0 or arrived, f"a copy of a mail whose end had not left, after {k}"
        doubted += len(declared)
    assert len(points) >= 110
    assert doubted >= BODIES, "bodies were cut, too"


def bodies(loa, plan, said, reader):
    """Where the mail of *reader* begins and ends in what was *said* to the relay."""
    body = expected_mail(loa.provider.render(loa.publications[plan]), plan, reader)
    start = said.index(body)
    return start, start + len(body) + len(b".\r\n")


def cuts(spans, said, other):
    """Every byte around the end of each mail, and many between; *other*: those beside these."""
    opening = range(1, spans[0][0] + 3)
    ends = [k for _, end in spans for k in range(end - 6, min(end + 4, len(said)))]
    each = BODIES // READERS
    between = [k for start, end in spans for k in spread(range(start + 3, end), each, other)]
    commands = [
        k
        for (_, end), (start, _) in pairwise(spans)
        for k in spread(range(end, start + 2), BORDERS, other)
    ]
    return sorted({*spread(opening, OPENING, other), *ends, *between, *commands})


@pytest.mark.promise("5.3")
@BENCHES
@HOW
async def test_cut_on_the_way_back_only_a_mail_without_its_answer_is_declared(cut_bench, rst):
    await cut_bench.send()
    said = bytes(cut_bench.proxy.down.bytes_seen)
    go_on = [at + 1 for at in range(len(said)) if said[:at].endswith(b"354 go\r")]
    taken = [at + 1 for at in range(len(said)) if said[:at].endswith(b"queued\r")]
    for k in range(1 + rst, len(said), 2):  # by FIN or by RST, every byte
        declared, _ = await cut_bench.cut(cut_bench.proxy.down, k, rst)
        unsure = [row for row in range(READERS) if go_on[row] <= k < taken[row]]
        assert declared in ([], unsure), f"cut after {k}"
        assert declared or not unsure, f"a body left, and no doubt, after {k}"
