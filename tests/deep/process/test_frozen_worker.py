"""A worker freezes in the middle of a bulk; another takes over, and then it wakes up."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.frozen_process import frozen
from tests.support.loa_process import RelayProcess, wait_until
from tests.support.split_loa import NEEDED, Service, SplitLoa, on_a_server

READERS, CONNECTIONS = 6000, 8
LEASE_S, REQUEST_S = 4.0, 1.5
"""Shorter than in earnest, and in the same proportion; the margin of 5 s is the real one."""
HASTY = f"""
import sys
from channels.email.channel import EmailChannel
from consumers.deliver.worker import DeliveryWorker
from tests.deep.crash.launch import NOTHING, launch

begin = DeliveryWorker.__post_init__

def shorter(self):
    self.lease_s = {LEASE_S}
    begin(self)

DeliveryWorker.__post_init__ = shorter
EmailChannel.request_timeout_s = {REQUEST_S}
launch(NOTHING, 1, sys.argv[1:])
"""


class TwoWorkers(SplitLoa):
    """All services, with waits that a test can sit out."""

    kind = staticmethod(partial(Service, command=(sys.executable, "-c", HASTY)))


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(TwoWorkers, tmp_path / "loa", other_server, relay) as loa:
        yield loa


@pytest.mark.promise("3.5")
def test_a_worker_that_was_frozen_for_longer_than_its_lease_sends_nothing_twice_unsaid(loa, relay):
    loa.environ["LOA_EMAIL_CONNECTIONS"] = str(CONNECTIONS)
    loa.environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    loa.run(*NEEDED)
    loa.add_unit()
    loa.readers(READERS)
    first = loa["deliver-email"]
    event_id = loa.publish("tin-lon", "email")
    wait_until(lambda: relay.count() > READERS // 10, "the first mails")
    with frozen_in_a_window(first.process.pid, loa, relay):
        assert relay.count() < READERS, "it froze in the middle"
        loa.run_elsewhere("second", "deliver-email", LOA_EMAIL_CONNECTIONS="1")
        taken_over = loa.trace_of_event(event_id, 300)["channels"]["email"]
        before = Counter(relay.accepted_mails())
    assert taken_over["maybe_duplicate"] > 0, "it froze in the middle of some window"
    assert loa["second"].logged("doubts_resolved")
    assert loa["second"].stop() == 0
    again = loa.trace_of_event(loa.publish("tin-sau", "email"), 300)["channels"]["email"]
    assert again["delivered"] == READERS, "it works as before"
    assert first.stop() == 0
    mails = Counter(relay.accepted_mails())
    late = sum(mails[one] for one in before) - before.total()
    assert late <= CONNECTIONS, "at most the mail that each connection was just about to write"
    check_copies(mails, loa.trace("tin-lon")["channels"]["email"], again)
    assert loa.violations() == []


@contextmanager
def frozen_in_a_window(pid: int, loa: TwoWorkers, relay: RelayProcess) -> Iterator[None]:
    """Frozen at a moment at which mails have left that the ledger has not heard of yet."""
    with ExitStack() as ice:

        def caught() -> bool:
            ice.enter_context(frozen(pid))
            if relay.count() > loa.trace("tin-lon")["channels"]["email"]["delivered"]:
                return True
            ice.close()
            return False

        wait_until(caught, "a window that is not booked")
        yield


def check_copies(mails: Counter[tuple[str, str]], *counts: dict[str, int]) -> None:
    """Each reader has both mails; each copy is declared, under the same Message-ID."""
    for one in counts:
        assert (one["expected"], one["delivered"], one["missing"]) == (READERS, READERS, 0)
    per_reader = Counter(to for to, _ in mails)
    assert (len(per_reader), set(per_reader.values())) == (READERS, {2})
    assert mails.total() - 2 * READERS <= sum(one["maybe_duplicate"] for one in counts)
