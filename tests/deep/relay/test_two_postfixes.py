"""Two real Postfixes as relays: one dies in the middle, and comes back."""

import asyncio
import os
import re
import signal
from collections import Counter

from channels.email.smtp import pool as pools
from channels.email.smtp.relay_log import RelayLog
from contracts.delivery import Status
from tests.support import requirements
from tests.support.email_pipeline import EmailPipeline, message_id
from tests.support.postfix import Postfix
from tests.support.relays_file import write_relays
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.waiting import until

READERS, ITEMS = 200, 3
DOUBT = "P"


def mails_begun(relay: Postfix) -> int:
    return relay.log.read_text().count(": client=")


def accepted(relay: Postfix) -> Counter[str]:
    """How often it has taken each Message-ID: one that dies may itself deliver a mail twice."""
    log = relay.log.read_text()
    queued = {*re.findall(r"qmgr\[\d+\]: (\w+): from=", log)}
    mails = re.findall(r"cleanup\[\d+\]: (\w+): message-id=(<[^>]+>)", log)
    return Counter(message_id for queue_id, message_id in mails if queue_id in queued)


async def in_doubt(loa, plans) -> set[str]:
    """The Message-IDs of the rows that are in doubt."""
    return {
        message_id(plan, reader)
        for plan in plans
        for reader, letter in (await loa.rows(plan)).items()
        if letter == DOUBT
    }


async def test_one_dies_in_the_middle_and_only_what_is_not_in_doubt_moves(bus, tmp_path):
    requirements.postfix()
    async with SmtpReceiver() as readers:
        dies, stays = [Postfix(readers.port, readers.port, "bounces.example") for _ in range(2)]
        with dies, stays:
            file = write_relays(tmp_path, dies={"port": dies.port}, stays={"port": stays.port})
            loa = EmailPipeline(bus, tmp_path, READERS, 0, relays_file=file)
            loa.provider.pool.clock = loa.clock
            plans = [await loa.plan(content_id=f"tin-{number}") for number in range(ITEMS)]
            sending = asyncio.create_task(loa.run(*plans, until=loa.clock() + 10))
            await until(lambda: mails_begun(dies) > READERS // 4)
            os.killpg(dies.process.pid, signal.SIGKILL)
            dies.process.wait()
            await sending
            doubtful = await in_doubt(loa, plans)
            assert await RelayLog(stays.log).accepted_ids(sorted(doubtful)) == frozenset()
            sent = [await loa.status_counts(plan) for plan in plans]
            delivered = sum(counts.get(Status.DELIVERED, 0) for counts in sent)
            assert delivered == ITEMS * READERS - len(doubtful), "what is not in doubt has gone"
            assert [relay.name for relay in loa.provider.pool.relays if relay.is_out] == ["dies"]
            await comes_back(loa, dies)
            await loa.run(*plans)
            declared = await loa.copies(*plans)
            assert declared == len(doubtful)
            wanted = {message_id(plan, one) for plan in plans for one in loa.readers.ids}
            await until(lambda: wanted <= {mail.message_id for mail in readers.mails})
            taken = accepted(dies) + accepted(stays)
            assert sum(taken[one] - 1 for one in wanted) <= declared
            await loa.provider.close()


async def comes_back(loa, relay: Postfix) -> None:
    """Start *relay* again, with the queue that it had, and let it be tried."""
    relay.__enter__()
    loa.clock.advance(pools.RETRY_S + 1)
    before = mails_begun(relay)
    await loa.run(await loa.plan(content_id="tin-sau"))
    assert mails_begun(relay) > before, "it has its share again"
