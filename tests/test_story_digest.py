"""A real Loa: two people read daily, one at once; a day passes, and each has had the item once.

A correction then answers the mail in which each of them had it.
"""

import asyncio
from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from channels.email.maildrop import Maildrop
from consumers.digests import noted
from consumers.digests.book import Book, encoded
from consumers.digests.calendar import Calendar
from contracts.digest import Gathered, named
from contracts.testing import sample
from producers.bus import Bus
from tests.real_loa import UNIT, RealLoa, until

pytestmark = [pytest.mark.story, pytest.mark.timeout(120)]
ITEM = "muc-ho-tro-moi"
READERS = "an@example.com,An,,,,daily\nbinh@example.com,,,,,daily\nchi@example.com,,,,,\n"


async def time_passes(url: str, frequency: Gathered = "daily") -> str:
    """Put a rhythm's last cut a day or a week back; the digest that must follow, at once."""
    span = timedelta(days=1 if frequency == "daily" else 7)
    async with await Bus.connect(url, name="test") as bus:
        assert await noted.noted(bus) == Calendar(), "the service has left word of its hours"
        book = Book(bus)
        now = (await book.now(frequency)).known
        back = {"day": now.day - span, "at": now.at - span}
        await book.bucket.put(f"now.{frequency}", encoded(now.model_copy(update=back)))
        return named(frequency, now.day)


def mails(loa: RealLoa) -> list:
    stored = [*Maildrop(loa.data / "mail").newest_first()][::-1]
    return [message_from_bytes(one.raw(), policy=policy.default) for one in stored]


@pytest.fixture
def loa(tmp_path):
    with RealLoa(tmp_path) as loa:
        yield loa


def test_a_day_comes_in_one_mail_to_those_who_want_it_so(loa):
    loa.a_unit()
    path = loa.folder / "readers.csv"
    path.write_text(f"email,name,topics,audiences,units,frequency\n{READERS}")
    assert loa.cli("subscribers", "import", path, "--json").json["added"] == 3
    event = sample("submitted", content_id=ITEM) | {"source": f"/units/{UNIT}", "subject": ITEM}
    event_id = loa.post(event).body["event_id"]
    loa.delivered(event_id)
    [first] = mails(loa)
    assert first["Delivered-To"] == "chi@example.com"
    digest = asyncio.run(time_passes(loa.ready().nats_url))
    until(lambda: len(mails(loa)) == 3, "the digest", pause_s=0.1)
    story = loa.traced(digest)
    assert (story["state"], story["channels"]["email"]["delivered"]) == ("released", 2)
    to = {mail["Delivered-To"]: mail for mail in mails(loa)[1:]}
    assert sorted(to) == ["an@example.com", "binh@example.com"]
    mail = to["an@example.com"]
    assert mail["Subject"].startswith("Bản tổng hợp tin ngày ")
    assert mail["Subject"].endswith(": 1 tin")
    assert f"/tin/{ITEM}" in mail.get_body(("plain",)).get_content()
    assert "in_digest" in [one["event"] for one in loa.delivered(event_id)["timeline"]]
    corrected = {"revision": 2, "corrects_revision": 1, "body": "Mức đúng là 3 triệu đồng."}
    told = sample("corrected", content_id=ITEM, **corrected)
    assert loa.post(told | {"source": f"/units/{UNIT}", "subject": ITEM}).status == 202
    until(lambda: len(mails(loa)) == 6, "the correction", pause_s=0.1)
    answers = {one["Delivered-To"]: one for one in mails(loa)[3:]}
    for address, gathered in to.items():
        assert answers[address]["In-Reply-To"] == gathered["Message-ID"]
        text = answers[address].get_body(("plain",)).get_content()
        assert f"trong {gathered['Subject'].partition(':')[0]}," in text
    assert answers["chi@example.com"]["In-Reply-To"] == first["Message-ID"]
    findings = loa.cli("check", "--deep", "--json")
    assert findings.json["violations"] == []
