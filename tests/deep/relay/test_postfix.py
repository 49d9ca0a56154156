"""A real Postfix as the relay: what it delivers, and what comes back through it."""

import asyncio
from email import message_from_bytes

import pytest
import structlog

from channels.email.channel import EmailChannel
from channels.email.inbound import bounce_parser
from channels.email.inbound.server import inbound_server
from channels.email.return_path import ReturnPaths
from channels.email.settings import EmailSettings, Tls
from channels.email.smtp.relay_log import RelayLog
from consumers.email.inbound import BounceMailbox
from consumers.ledger.row_ref import RowRef
from consumers.suppression.cache import SuppressionAwareContacts
from contracts.delivery import Lane, Status
from tests.support import requirements
from tests.support.bounce_pipeline import BouncePipeline
from tests.support.email_pipeline import message_id
from tests.support.mails import PUBLIC_URL, SIGNER
from tests.support.postfix import Postfix
from tests.support.scripted_channel import reader_ids
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.suppression_cache import RunningCache

DOMAIN = "tra-lai.moha.example"
PATHS = ReturnPaths(b"k" * 32, DOMAIN)
KINDS = {
    "5.1.1": ("RCPT", b"550 5.1.1 <nobody>: no such user"),
    "5.1.2": ("RCPT", b"550 5.1.2 no such domain"),
    "5.2.1": ("RCPT", b"550 5.2.1 mailbox disabled"),
    "5.2.2": ("RCPT", b"552 5.2.2 mailbox full"),
    "5.7.1": ("end", b"550 5.7.1 refused by policy"),
    "4.7.1": ("RCPT", b"450 4.7.1 too many from you"),
    "5.3.4": ("end", b"552 5.3.4 message too big"),
    "5.6.7": ("RCPT", b"553 5.6.7 needs SMTPUTF8"),
}
SUPPRESSED = {"5.1.1", "5.1.2", "5.2.1"}
READERS = dict(zip(reader_ids(len(KINDS)), KINDS, strict=True))
ALARMS = {"mail_refused_by_policy", "mail_content_refused"}


def address(reader: str) -> str:
    return f"{reader}@example.com"


def downstream() -> SmtpReceiver:
    """The servers of our readers."""
    script = {(KINDS[code][0], address(one)): KINDS[code][1] for one, code in READERS.items()}
    return SmtpReceiver(script=script)


class CopyingDoor(BounceMailbox):
    """Keeps what came, for a second look."""

    mails: list[tuple[str, str, bytes]]

    async def deliver(self, sender: str, recipient: str, mail: bytes) -> None:
        self.mails.append((sender, recipient, mail))
        await super().deliver(sender, recipient, mail)


async def until(count: int, counted) -> None:
    async with asyncio.timeout(120):
        while counted() < count:
            await asyncio.sleep(0.02)


@pytest.fixture
async def loa(bus, tmp_path):
    """Readers of eight kinds and two more, a Postfix, and the way back from it."""
    requirements.postfix()
    pipeline = BouncePipeline(bus, tmp_path, len(READERS) + 2)
    await pipeline.add_readers()
    pipeline.door = CopyingDoor(bus, PATHS, pipeline.suppressions.hash_address)
    pipeline.door.mails = []
    listener = inbound_server([pipeline.door])
    async with downstream() as pipeline.receiver:
        with Postfix(pipeline.receiver.port, await listener.start(), DOMAIN) as pipeline.relay:
            settings = {"host": "127.0.0.1", "port": pipeline.relay.port, "tls": Tls.NONE}
            settings |= {"from_": "thong-bao@moha.example", "bounce_domain": DOMAIN}
            pipeline.provider = EmailChannel(
                EmailSettings(**settings), PUBLIC_URL, SIGNER, return_paths=PATHS
            )
            pipeline.worker = pipeline.new_worker()
            pipeline.worker.policy = pipeline.sending
            yield pipeline
            await pipeline.provider.close()
        await listener.stop()


async def test_eight_kinds_of_bounces_come_back_to_their_rows_and_do_what_the_table_says(loa):
    with structlog.testing.capture_logs() as logs:
        plan = await loa.deliver()
        assert await loa.status_counts(plan) == {Status.DELIVERED: 10}, "the relay takes everything"
        await until(8, lambda: len(loa.door.mails))
        await until(2, lambda: len(loa.receiver.mails))
        await loa.consume_receipts()
    rows = {reader: number for number, reader in enumerate(loa.readers.ids)}
    [back] = [back async for _, back in loa.books.batches(f"{plan}.")]
    assert back.bounced == {rows[reader]: code for reader, code in READERS.items()}
    for reader, code in READERS.items():
        assert await loa.suppression_reason(reader) == (
            f"bounced {code}" if code in SUPPRESSED else None
        ), code
    said = {one["event"] for one in logs if one["log_level"] in ("warning", "error")}
    assert said == ALARMS
    assert await loa.status_counts(plan) == {Status.DELIVERED: 10}
    await its_log_knows_what_it_has_taken(loa, plan)
    await the_envelope_leads_there_too(loa, back.bounced)
    await only_the_others_get_the_next_one(loa)


async def its_log_knows_what_it_has_taken(loa, plan) -> None:
    mails = {message_id(plan, reader) for reader in loa.readers.ids}
    assert await RelayLog(loa.relay.log).accepted_ids([*mails, "<khong-co@moha.example>"]) == mails


async def the_envelope_leads_there_too(loa, bounced: dict[int, str]) -> None:
    """The same reports, if the relay had changed the return path."""
    found = {}
    for sender, recipient, mail in loa.door.mails:
        assert message_from_bytes(mail)["To"] == recipient
        report = bounce_parser.parse_report(mail, sender)
        assert report.publication_key and report.message_id
        found[RowRef.parse(loa.door.find_row_ref(f"b@{DOMAIN}", report)).row] = report.code
    assert found == bounced


async def only_the_others_get_the_next_one(loa) -> None:
    loa.receiver.script.clear()
    loa.receiver.mails.clear()
    async with RunningCache(loa.bus, loa.clock) as watch:
        loa.worker.contact_lookup = SuppressionAwareContacts(loa.readers, watch.suppressed)
        await loa.circuit.update(lambda one: type(one)())
        await loa.worker.gate_of(Lane.NORMAL).refresh(await loa.circuit.update(lambda one: one))
        plan = await loa.deliver(content_id="tin-sau")
    assert await loa.status_counts(plan) == {Status.DELIVERED: 7, Status.SUPPRESSED: 3}
    await until(7, lambda: len(loa.receiver.mails))
    got = {mail.recipient for mail in loa.receiver.mails}
    left_alone = {address(one) for one, code in READERS.items() if code in SUPPRESSED}
    assert got == {address(one) for one in loa.readers.ids} - left_alone
    senders = {mail.sender for mail in loa.receiver.mails}
    assert len(senders) == 7
    assert all(PATHS.row_ref_of_address(sender) for sender in senders)
