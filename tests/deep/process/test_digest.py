"""A real Loa: two people read daily, one at once; a day passes, and each has had the item once.

A correction then answers the mail in which each of them had it.
"""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from consumers.app.settings import LoaSettings
from consumers.digests import schedule
from consumers.digests.store import DigestStore, encode
from consumers.seals.takeover import seal_for_command, take_over
from contracts.subscriptions.digest import DigestFrequency, digest_id_for
from producers.bus import Bus
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess, wait_until

ITEM = "muc-ho-tro-moi"
READERS = "an@example.com,An,,,,daily", "binh@example.com,,,,,daily", "chi@example.com,,,,,"


async def time_passes(loa: LoaProcess, frequency: DigestFrequency = "daily") -> str:
    """Put a rhythm's last cut a day or a week back; the digest that must follow, at once."""
    async with await Bus.connect(loa.ready().nats_url, name="test") as bus:
        return await put_last_cut_back(bus, loa.data, frequency)


async def put_last_cut_back(bus: Bus, data: Path, frequency: DigestFrequency = "daily") -> str:
    """As `time_passes`, with the key of the folder *data*."""
    settings = LoaSettings(_env_file=None, data_dir=data)
    await seal_for_command(bus, settings.key_file, settings.seals_file, take_over)
    assert await schedule.load_published_schedule(bus), "its service has started"
    span, book = timedelta(days=1 if frequency == "daily" else 7), DigestStore(bus)
    stored = await book.last_cut(frequency)
    now = stored.value
    back = now.model_copy(update={"day": now.day - span, "at": now.at - span})
    await book.bucket.swap(f"now.{frequency}", encode(back), stored.revision)
    return digest_id_for(frequency, now.day)


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as loa:
        yield loa


@pytest.mark.promise("7.2")
def test_a_day_comes_in_one_mail_to_those_who_want_it_so(loa):
    loa.add_unit()
    loa.add_readers(*READERS)
    event_id = loa.publish(ITEM)
    loa.trace_of_event(event_id)
    [first] = loa.mails()
    assert first["Delivered-To"] == "chi@example.com"
    digest = asyncio.run(time_passes(loa))
    wait_until(lambda: len(loa.mails()) == 3, "the digest", pause_s=0.1)
    story = loa.trace_when_complete(digest)
    assert (story["state"], story["channels"]["email"]["delivered"]) == ("released", 2)
    to = {mail["Delivered-To"]: mail for mail in loa.mails()[1:]}
    assert sorted(to) == ["an@example.com", "binh@example.com"]
    mail = to["an@example.com"]
    assert mail["Subject"].startswith("Bản tổng hợp tin ngày ")
    assert mail["Subject"].endswith(" (1 tin)")
    assert f"/tin/{ITEM}" in mail.get_body(("plain",)).get_content()
    assert "in_digest" in [one["event"] for one in loa.trace_of_event(event_id)["timeline"]]
    corrected = {"revision": 2, "corrects_revision": 1, "body": "Mức đúng là 3 triệu đồng."}
    assert loa.post(sample_event("corrected", content_id=ITEM, **corrected)).status == 202
    wait_until(lambda: len(loa.mails()) == 6, "the correction", pause_s=0.1)
    answers = {one["Delivered-To"]: one for one in loa.mails()[3:]}
    for address, gathered in to.items():
        assert answers[address]["In-Reply-To"] == gathered["Message-ID"]
        text = answers[address].get_body(("plain",)).get_content()
        had = gathered.get_body(("plain",)).get_content()
        [name] = re.findall("ản tổng hợp tin ngày [0-9/]+", had)
        assert f"trong b{name}." in text
    assert answers["chi@example.com"]["In-Reply-To"] == first["Message-ID"]
    assert loa.violations() == []
