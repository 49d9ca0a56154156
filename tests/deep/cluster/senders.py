"""Senders beside the faults: some knock at the doors all the time, one sends a mixed day."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

from producers.bus import BusError
from tests.deep.cluster.environment import DOORS, ClusterEnvironment
from tests.deep.crash.environment import CampaignFailed
from tests.deep.crash.scenarios import publish_mixture
from tests.deep.crash.setup import UNREAD, Setup
from tests.deep.crash.workload import ACCEPTED, Workload

PAUSE_S = 1.0
"""The shortest time without an acceptance that counts as an outage of the bus."""
RETRY_S = 0.1
"""Both doors may refuse within milliseconds; a unit that asks without a pause is limited (429)."""
FAR_APART = 1_000_000
"""Numbers of items between those of two senders."""
GROWING = "to-chuc-bien-che"
"""A topic that readers begin to follow right before an item of it is sent."""


class Sender(threading.Thread):
    """Sends until it is stopped, each with items of its own; what it was told is in `work`."""

    pause_s = 1.0

    def __init__(self, environment: ClusterEnvironment, ground: Setup, seed: str, at: int) -> None:
        super().__init__(daemon=True)
        self.work = Workload(environment, random.Random(f"{seed}.{at}"), number=at * FAR_APART)
        self.work.ground = ground
        self.environment, self.stopped = environment, threading.Event()
        self.error: BaseException | None = None
        self.known: list[str] = []  # readers of the growing topic

    def run(self) -> None:
        try:
            while not self.stopped.wait(self.pause_s):
                self.send()
        except BaseException as error:
            self.error = error
            raise

    def send(self) -> None:
        """A little of everything; every other time also an item behind a new reader of it."""
        publish_mixture(self.work)
        if self.work.rng.random() < 0.5 and not self.environment.may_read_stale.is_set():
            self.add_reader()
            sent = self.work.item("email", topic=GROWING)
            sent.told = replace(sent.told, readers=frozenset(self.known))
        self.work.repeat()

    def add_reader(self) -> None:
        """One more follows the topic, as soon as this is acknowledged."""
        address = f"them-{self.work.number}@example.com"
        with suppress(BusError):  # then they may follow it, or not
            self.work.ground.add_readers(GROWING, [address])
            self.known.append(address)

    def end(self) -> None:
        """Stop, and raise what has ended it before."""
        self.stopped.set()
        self.join()
        if self.error:
            raise CampaignFailed(f"a sender ended by {self.error!r}")


class Knocker(Sender):
    """Has one event after the other accepted, first at its own door, then at the next.

    Its items have no readers: what is measured is the acceptance.
    """

    pause_s = 0.3

    def __init__(
        self, environment: ClusterEnvironment, ground: Setup, seed: str, door: int
    ) -> None:
        super().__init__(environment, ground, seed, door + 1)
        self.door = door
        self.accepted: list[float] = []

    def send(self) -> None:
        sent, door = self.work.item("email", topic=UNREAD), self.door
        while not (sent.accepted or self.stopped.is_set()):
            status = self.environment.post_at(door, sent.event, self.work.ground.keys[sent.unit])
            sent.accepted = status == ACCEPTED
            if status and status < 500 and not sent.accepted:
                raise CampaignFailed(f"{sent.event['id']} was answered with {status}")
            if sent.accepted:
                self.accepted.append(time.monotonic())
            else:
                door = (door + 1) % len(DOORS)
                self.stopped.wait(RETRY_S)


def longest_pause(knockers: Sequence[Knocker], since: float) -> float:
    """The longest time without an acceptance at any door that reaches beyond *since*."""
    moments = sorted(moment for one in knockers for moment in one.accepted)
    return max(end - start for start, end in pairwise(moments) if end > since)


def pauses(knockers: Sequence[Knocker], since: float) -> list[tuple[float, float]]:
    """The times of at least PAUSE_S without an acceptance that reach beyond *since*.

    In seconds since the epoch; *since* in those of the monotonic clock.
    """
    moments = sorted(moment for one in knockers for moment in one.accepted)
    epoch = time.time() - time.monotonic()
    return [
        (epoch + start, epoch + end)
        for start, end in pairwise(moments)
        if end > since and end - start >= PAUSE_S
    ]


def have_accepted(knockers: Sequence[Knocker], since: float) -> bool:
    return any(one.accepted and one.accepted[-1] > since for one in knockers)
