"""Three real workers send through the same relays, whose limits hold for all of them together."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.loa_process import wait_until
from tests.support.relays_file import write_relays
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.split_loa import SERVER, Service, SplitLoa

pytestmark = pytest.mark.timeout(900)
READERS, ITEMS, WORKERS = 20, 24, 3
MAILS_PER_S = 10
PATIENCE_S = 300


class MeasuredRelay(SmtpReceiver):
    """Notes how many connections were open, and how many carried a mail, at once at most."""

    def __init__(self) -> None:
        super().__init__(delay_s=0.05)
        self.most_open = self.most_at_work = 0
        self.last_at = 0.0

    def scripted_action(self, stage, recipient):
        self.most_open = max(self.most_open, len(self.open))
        at_work = sum(bool(one.recipient) for one in self.open)
        self.most_at_work, self.last_at = max(self.most_at_work, at_work), time.monotonic()
        return super().scripted_action(stage, recipient)


@contextmanager
def in_a_thread(*relays: SmtpReceiver) -> Iterator[None]:
    """Run *relays* in a loop of their own, because Loa's processes are waited for in this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def call(step) -> None:
        asyncio.run_coroutine_threadsafe(step, loop).result(PATIENCE_S)

    try:
        for relay in relays:
            call(relay.start())
        yield
        for relay in relays:
            call(relay.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Worker(Service):
    """`loa run deliver-email`, one of several."""

    def portions(self) -> list[int]:
        """Between how many workers it has shared the limits, one change after the other."""
        lines = [line for line in self.log.read_text().splitlines() if line.endswith("}")]
        said = [one for one in map(json.loads, lines) if one["event"] == "relay_limits_shared"]
        return [one["workers"] for one in said]


def start_workers(loa: SplitLoa) -> list[Worker]:
    workers = []
    for number in range(WORKERS):
        folder = loa.folder / str(number)
        folder.mkdir()
        workers.append(Worker("deliver-email", folder, loa.environ))
        loa.services[f"worker {number}"] = workers[-1]
    for worker in workers:
        wait_until(lambda one=worker: one.portions()[-1:] == [WORKERS], "portions", PATIENCE_S)
    return workers


def test_three_workers_keep_the_limits_of_their_relays_together(tmp_path, other_server):
    sessions, paced, domains = relays = [MeasuredRelay() for _ in range(3)]
    with in_a_thread(*relays), other_server(SERVER) as server:
        file = write_relays(
            tmp_path,
            sessions={"port": sessions.port, "connections": 3},
            paced={"port": paced.port, "connections": 3, "mails_per_s": MAILS_PER_S},
            domains={"port": domains.port, "connections": 9, "connections_per_domain": 3},
        )
        settings = {
            "NATS_URL": server.url.replace("nats://", "nats://loa:loa@"),
            "HTTP_PORT": 0,
            "CANARY_EVERY_S": 0,
            "EMAIL_RELAYS_FILE": file,
            "EMAIL_FROM": "Bộ Nội vụ <thong-bao@loa.example>",
        }
        (tmp_path / "loa").mkdir()
        with SplitLoa(tmp_path / "loa", **settings) as loa:
            loa.run("gateway", "intake", "dispatch")
            loa.add_unit()
            loa.readers(READERS)
            workers = start_workers(loa)
            began = time.monotonic()
            events = [loa.publish(f"tin-{number}", "email") for number in range(ITEMS)]
            for event in events:
                counts = loa.trace_of_event(event, PATIENCE_S)["channels"]["email"]
                assert (counts["delivered"], counts["maybe_duplicate"]) == (READERS, 0)
            workers[0].kill()
            for other in workers[1:]:
                wait_until(lambda one=other: one.portions()[-1] == 2, "its portion", PATIENCE_S)
            assert loa.violations() == []
    assert sum(len(relay.mails) for relay in relays) == ITEMS * READERS
    assert all(relay.mails for relay in relays)
    assert sessions.most_open <= 3 and domains.most_at_work <= 3
    assert len(paced.mails) <= MAILS_PER_S * (paced.last_at - began + 1)
