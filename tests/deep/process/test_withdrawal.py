"""An item is withdrawn while its mail goes out to 20,000 readers."""

import asyncio
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from contracts.delivery import ChannelName, PlanKey, Status
from producers.bus import Bus
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until

NAMED = ("--by", "An", "--yes")
ROOT = Path(__file__).parents[3]
READERS, CONNECTIONS, WINDOW = 20_000, 8, 25
ITEM = "dang-nham"
LATENCY_S = 0.01
"""Before each answer of the relay: at most some 800 mails a second leave."""


@contextmanager
def slowed(port: int):
    """A proxy before the relay: its port, and the pipe on which a line ends its slowness."""
    command = [sys.executable, "-m", "tests.support.tcp_proxy", str(port), str(LATENCY_S)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, bufsize=1, **pipes) as proxy:
        yield int(proxy.stdout.readline()), proxy.stdin


async def read_entries(url: str) -> list[LedgerEntry]:
    plan = PlanKey(ChannelName.EMAIL, ITEM, 1)
    async with await Bus.connect(url, name="test") as bus:
        ledger = Ledger(bus)
        cursor = (await ledger.plan(plan)).value
        return [held.value async for _, held in ledger.entries(plan, cursor)]


def entries(loa: LoaProcess) -> list[LedgerEntry]:
    """Entries of the withdrawn text in the ledger."""
    return asyncio.run(read_entries(loa.ready().nats_url))


def all_halted(loa: LoaProcess) -> list[LedgerEntry] | None:
    found = entries(loa)
    return found if all(one.halt or one.closed_at for one in found) else None


def counted(found: list[LedgerEntry]) -> Counter[Status]:
    return sum((Counter(one.count_by_status()) for one in found), Counter())


@pytest.mark.promise("7.3")
def test_a_withdrawal_in_the_middle_of_a_bulk_stops_it_and_tells_exactly_those_it_reached(tmp_path):
    with RelayProcess(tmp_path) as relay, slowed(relay.port) as (port, orders):
        settings = relay.settings | {"EMAIL_PORT": port, "EMAIL_CONNECTIONS": CONNECTIONS}
        with LoaProcess(tmp_path, **settings) as loa:
            loa.add_unit()
            loa.readers(READERS)
            loa.publish(ITEM, "portal", "email")
            wait_until(lambda: relay.count() > READERS // 10, "the first mails")
            assert loa.page_status(f"/tin/{ITEM}") == 200
            assert (
                loa.cli(
                    "withdraw", ITEM, "--reason", "Đăng nhầm văn bản", "--by", "An", "--yes"
                ).exit_code
                == 0
            )
            at_halt = counted(wait_until(lambda: all_halted(loa), "the halt of every batch"))
            orders.write("full speed\n")
            wait_until(lambda: loa.trace(ITEM).get("state") == "withdrawn", "the withdrawal")
            told = loa.trace_when_complete(ITEM)["channels"]["email"]
            check_halt(at_halt, counted(entries(loa)))
            check_mails(relay, counted(entries(loa))[Status.DELIVERED], told)
            assert loa.page_status(f"/tin/{ITEM}") == 410
            assert loa.violations() == []


def check_halt(then: Counter[Status], end: Counter[Status]) -> None:
    """Of each batch only what was on the wire when it was halted still went out."""
    assert then.total() == end.total() == READERS
    assert then[Status.SENDING] <= (CONNECTIONS + 1) * WINDOW
    assert then[Status.WITHDRAWN] > 0, "it was stopped in the middle"
    assert end.keys() == {Status.DELIVERED, Status.WITHDRAWN}
    assert end[Status.DELIVERED] <= then[Status.DELIVERED] + then[Status.SENDING]


def check_mails(relay: RelayProcess, reached: int, told: dict[str, int]) -> None:
    """Exactly the readers of the text then got the withdrawal; each of them once."""
    got: dict[str, list[int]] = defaultdict(list)
    for place, (to, _) in enumerate(relay.accepted_mails()):
        got[to].append(place)
    assert len(got) == reached
    assert {len(places) for places in got.values()} == {2}
    last_text = max(text for text, _ in got.values())
    assert last_text == reached - 1, "no text left after the first withdrawal"
    statuses = {one.value for one in Status}
    assert told["expected"] == sum(told[name] for name in statuses & told.keys()) + told["missing"]
    assert (told["expected"], told["delivered"]) == (reached, reached)
    assert told["maybe_duplicate"] == 0
