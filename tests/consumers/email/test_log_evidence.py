"""After a restore mail waits for evidence, and the relays' logs say what has left."""

import gzip
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from channels.base import Outcome, Verdict
from consumers.email.log_evidence import EvidenceCounts, LogEvidence, read_logs
from consumers.email.policy import EmailSendPolicy
from consumers.operations import restore
from consumers.restored import last_restore
from consumers.runtime.lanes import LaneSemaphore
from contracts import keys
from contracts.delivery import ChannelName, PlanKey, Status
from tests.support.delivery_pipeline import DeliveryPipeline, new_delivery_pipeline
from tests.support.restored_bus import restored_pipeline, save_pipeline
from tests.support.scripted_channel import reader_ids

READERS = 600
"""Two batches: the backup has the second one as pending."""
LINE = "Nov 25 01:30:00 relay postfix/{}: {:0>10}: {}\n"
ACCEPTED = "from=<tin@moha.example>, size=9000, nrcpt=1 (queue active)"
REFUSED = "milter-reject: END-OF-MESSAGE from loa: 5.7.1 no"


@pytest.fixture
def old(bus, tmp_path) -> DeliveryPipeline:
    return new_delivery_pipeline(bus, tmp_path / "slots", READERS)


def log_lines(plan: PlanKey, ids: Iterable[str], said: str = ACCEPTED) -> list[str]:
    """Lines of a Postfix on these readers' mails: two for each."""
    lines = []
    for number, id in enumerate(ids):
        key = keys.delivery_key(plan.content_id, plan.revision, plan.channel, id)
        name = f"message-id={keys.message_id(key, 'moha.example')}"
        lines += [LINE.format("cleanup[7]", number, name), LINE.format("qmgr[8]", number, said)]
    return lines


@asynccontextmanager
async def restored(old: DeliveryPipeline, tmp_path: Path) -> AsyncIterator[DeliveryPipeline]:
    """The other machine, in reconcile-only mode, with the policy of mail."""
    async with restored_pipeline(old, tmp_path, reconcile_only=True) as new:
        policy = EmailSendPolicy(new.bus, LaneSemaphore(2), new.clock)
        new.worker = new.new_worker(policy=policy)
        yield new


async def compare(
    loa: DeliveryPipeline, logs: Path, complete_s: float | None = None
) -> EvidenceCounts:
    """Compare with logs that are complete since so many seconds after the backup, if so."""
    record = await last_restore(loa.bus)
    since = record.backup + timedelta(seconds=complete_s) if complete_s is not None else None
    async with read_logs([logs], loa.folder) as accepted:
        return await LogEvidence(loa.ledger, loa.waker, accepted, loa.clock, record, since).apply()


async def test_mail_in_doubt_waits_until_the_doubts_are_ended(old, tmp_path):
    plan = await old.plan()
    await old.work(plan, 0)
    await save_pipeline(old, tmp_path)
    async with restored(old, tmp_path) as new:
        await new.work(plan, 1)
        new.clock.advance(1000.0)
        await new.work(plan, 1)
        assert await new.status_counts(plan) == {Status.DELIVERED: 500, Status.IN_DOUBT: 100}
        assert new.provider.arrivals == []
        await restore.end_doubts(new.bus)
        new.clock.advance(1000.0)
        await new.work(plan, 1)
        assert await new.status_counts(plan) == {Status.DELIVERED: READERS}
        assert (await new.entry(plan, 1)).possible_copies == 100


async def test_mail_that_is_certainly_new_goes_out_meanwhile(old, tmp_path):
    await save_pipeline(old, tmp_path)
    async with restored(old, tmp_path) as new:
        new.planner.doubts = None
        plan = await new.plan()
        await new.work_plan(plan)
        assert await new.status_counts(plan) == {Status.DELIVERED: READERS}


@pytest.mark.parametrize("complete_s", [0.0, None, 1.0], ids=["complete", "not", "too young"])
async def test_each_reader_gets_one_copy_by_the_logs(old, tmp_path, complete_s):
    plan = await old.plan()
    await old.work(plan, 0)
    await save_pipeline(old, tmp_path)
    left = reader_ids(READERS)[500:540]  # lost with the machine
    (tmp_path / "mail.log").write_text("".join(log_lines(plan, left)))
    async with restored(old, tmp_path) as new:
        counts = await compare(new, tmp_path / "mail.log", complete_s)
        absent = 60 if complete_s == 0.0 else 0
        assert counts == EvidenceCounts(delivered=40, not_sent=absent)
        await new.work(plan, 1)
        assert len(new.provider.arrivals) == absent
        assert not {id for _, id in new.provider.arrivals} & set(left)
        assert (await new.entry(plan, 1)).possible_copies == 0
        assert (await new.status_counts(plan)).get(Status.IN_DOUBT, 0) == 60 - absent


async def test_what_this_loa_has_tried_itself_is_not_told_by_older_logs(old, tmp_path):
    plan = await old.plan()
    await save_pipeline(old, tmp_path)
    (tmp_path / "mail.log").write_text("")
    async with restored(old, tmp_path) as new:
        assert (await compare(new, tmp_path / "mail.log", 0.0)).not_sent == READERS
        new.provider.answer = lambda _: Outcome(Verdict.DOUBT, "no answer")
        await new.work(plan, 1)
        assert (await new.status_counts(plan))[Status.IN_DOUBT] == 100
        assert await compare(new, tmp_path / "mail.log", 0.0) == EvidenceCounts()


async def test_a_batch_of_which_all_is_known_is_closed(old, tmp_path):
    plan = await old.plan()
    await save_pipeline(old, tmp_path)
    (tmp_path / "mail.log").write_text("".join(log_lines(plan, reader_ids(READERS))))
    async with restored(old, tmp_path) as new:
        assert (await compare(new, tmp_path / "mail.log")).delivered == READERS
        assert all([(await new.entry(plan, number)).closed_at for number in range(2)])


async def test_a_folder_has_all_logs_of_one_relay_oldest_first(tmp_path):
    plan, ids = PlanKey(ChannelName.EMAIL, "tin", 1), reader_ids(4)
    lines = log_lines(plan, ids)
    folder = tmp_path / "relay"
    folder.mkdir()
    (folder / "mail.log").write_text("".join(lines[3:]))
    (folder / "mail.log.1.gz").write_bytes(gzip.compress("".join(lines[:3]).encode()))
    os.utime(folder / "mail.log.1.gz", (1, 1))
    (tmp_path / "other.log").write_text("".join(log_lines(plan, ["x", "y"], REFUSED)))
    of = {id: keys.delivery_key("tin", 1, "email", id) for id in (*ids, "x", "y")}
    async with read_logs([folder, tmp_path / "other.log"], tmp_path) as accepted:
        assert accepted.count == 4
        assert accepted.among(of.values()) == {of[id] for id in ids}
    assert not list(tmp_path.glob("relay-logs.*"))
