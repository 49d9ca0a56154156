"""Two issues of a bulletin on a real Loa, with a correction and a withdrawal between them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from contracts.base.times import vietnam_time
from contracts.bulletins import editing
from contracts.bulletins.issue import BulletinIssue
from tests.support.bulletin_desk import BulletinDesk, bulletin_desk
from tests.support.bulletin_history import SERIES
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess

pytestmark = pytest.mark.timeout(400)
_DAY = timedelta(days=1)
_TOPICS = {"mot": "chuyen-doi-so", "hai": "the-che-chinh-sach", "ba": "the-che-chinh-sach"}


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as running:
        running.add_unit()
        running.add_readers("tat-ca@example.com,,,,,", f"ban-tin@example.com,,{SERIES.topic},,,")
        yield running


def published(loa: LoaProcess, name: str, topic: str) -> None:
    loa.publish(name, title=f"Tin {name}", summary=f"Tóm tắt {name}.", topic=topic)
    loa.trace_when_complete(name)


def at_desk(
    loa: LoaProcess, work: Callable[[BulletinDesk], Awaitable[BulletinIssue]]
) -> BulletinIssue:
    """Do *work* at the desk, and wait until readers have the issue that it made."""

    async def done() -> BulletinIssue:
        async with bulletin_desk(loa) as desk:
            issue = await work(desk)
            await desk.release(issue.content_id)
            return issue

    issue = asyncio.run(done())
    loa.trace_when_complete(issue.content_id)
    return issue


def test_two_issues_reach_every_channel_and_tell_no_item_twice(loa):
    today = vietnam_time(time.time()).date()
    for name, topic in _TOPICS.items():
        published(loa, name, topic)
    published(loa, "khac", "lich-nghi-le")

    async def first_issue(desk: BulletinDesk) -> BulletinIssue:
        issue = await desk.begin(today, today)
        issue = editing.move(issue, "ba", editing.UP)
        issue = editing.shorten(issue, "mot", "Một câu.")
        issue = editing.introduce(issue, "Tuần qua có ba tin.")
        await desk.save(issue)
        return issue

    first = at_desk(loa, first_issue)
    assert first.content_id.endswith(f"-{today.year}-so-01")
    order = ("Tuần qua có ba tin", "Tin ba", "Tin hai", "Tin mot", "Một câu.")
    for text in faces(loa, first.content_id, "số 01"):
        places = [text.index(words) for words in order]
        assert places == sorted(places) and "Tin khac" not in text
    for text in mail_parts(loa, "số 01", "tat-ca@example.com"):
        places = [text.index(words) for words in order[:-1]]
        assert places == sorted(places)
        assert "Một câu." not in text and "Tóm tắt" not in text, "each item was a mail already"

    correct(loa, "hai")
    withdraw(loa, "ba")
    published(loa, "nam", "chuyen-doi-so")
    second = at_desk(loa, lambda desk: desk.begin(today + _DAY, today + _DAY))
    assert second.number == 2
    assert [entry.content_id for entry in second.entries] == ["nam"]
    assert {(one.content_id, one.change) for one in second.amendments} == {
        ("hai", "corrected"), ("ba", "withdrawn")
    }  # fmt: skip
    for text in faces(loa, second.content_id, "số 02"):
        assert "Ghi sai ngày." in text and "Trùng tin." in text
    assert loa.violations() == []


def faces(loa: LoaProcess, content_id: str, number: str) -> list[str]:
    """The issue as a page, in a mail's two parts, and as an article on Zalo."""
    status, page = loa.page(f"/tin/{content_id}")
    assert status == 200
    assert f"/tin/{content_id}" in loa.page("/nguon-tin/ban-tin-cai-cach-hanh-chinh.atom")[1]
    parts = mail_parts(loa, number, "ban-tin@example.com")
    article = [str(one) for one in loa.sandbox("state")["articles"] if number in str(one)]
    assert len(article) == 1
    start = page.index("<main")
    return [page[start:], *parts, str(article[0])]


def mail_parts(loa: LoaProcess, number: str, to: str) -> list[str]:
    """Both parts of the one mail that a reader got of the issue."""
    mails = [one for one in loa.mails() if number in one["Subject"] and to in one["To"]]
    assert len(mails) == 1
    return [mails[0].get_body((kind,)).get_content() for kind in ("plain", "html")]


def correct(loa: LoaProcess, content_id: str) -> None:
    event = sample_event(
        "corrected", id="sua", content_id=content_id, revision=2, corrects_revision=1,
        title=f"Tin {content_id}", topic=_TOPICS[content_id], reason="Ghi sai ngày.",
    )  # fmt: skip
    assert loa.post(event).status == 202
    loa.trace_when_complete(content_id, 2)


def withdraw(loa: LoaProcess, content_id: str) -> None:
    event = sample_event("withdrawn", id="go", content_id=content_id, reason="Trùng tin.")
    assert loa.post(event).status == 202
    loa.trace_when_complete(content_id, 2)
