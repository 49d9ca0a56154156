"""Four issues of a bulletin over two months on a real Loa, a correction and a withdrawal between.

`LOA_TEST_PICTURES=docs/images/ban-tin` keeps what readers see of the second issue (needs pdftoppm
of poppler-utils).
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from consumers.bulletins.pdf import IssuePrinter
from consumers.cli.sample.items import read_sample_text
from contracts.base.times import vietnam_time
from contracts.bulletins import editing
from contracts.bulletins.issue import BulletinIssue
from tests.support.browser import PICTURES as PICTURES_VARIABLE
from tests.support.browser import faults_in_every_look, screenshot, set_look
from tests.support.bulletin_desk import BulletinDesk, bulletin_desk
from tests.support.bulletin_history import SERIES
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess

_DAY, _SPAN = timedelta(days=1), timedelta(days=14)
TEXTS = {
    "mot": "38-cap-nhat-co-so-du-lieu",
    "hai": "33-lay-y-kien-du-thao",
    "ba": "32-tap-huan-cap-xa",
    "bon": "01-cong-bo-thu-tuc",
    "nam": "35-chi-so-cai-cach",
    "sau": "04-mo-dich-vu-cong",
}
"""The items, each with a text of the sample ministry under a topic of the series."""
ALL, BULLETIN = "tat-ca@example.com", "ban-tin@example.com"
"""A reader of every topic, who had each item as a mail, and one of the bulletin alone."""
INTRODUCTION, SHORT = "Hai tuần qua có ba tin.", "Một câu."
WRONG, TAKEN = "Ghi sai thời hạn.", "Trùng với tin khác."
PAGES_ONLY = ": region: ", "landmark-one-main"
"""Rules of axe for whole pages: a mail is shown inside a page, which has its own main landmark."""
LOOKS = {"sang": (768, "light"), "toi": (768, "dark"), "320": (320, "light")}
PICTURES = {"cong-thong-tin": LOOKS, "thu": LOOKS, "thu-da-nhan-tin": ["320"], "cac-so": ["320"]}


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as running:
        running.add_unit()
        running.add_readers(f"{ALL},,,,,", f"{BULLETIN},,{SERIES.topic},,,")
        yield running


def title(name: str) -> str:
    return str(read_sample_text(TEXTS[name])["title"])


def facts(name: str) -> dict[str, str]:
    """Facts that the item is published with."""
    text = read_sample_text(TEXTS[name])
    return {key: text[key] for key in ("title", "topic", "body")} | {
        "summary": text.get("summary", f"Tóm tắt {name}.")
    }


def publish(loa: LoaProcess, *names: str) -> None:
    for name in names:
        loa.publish(name, **facts(name))
    for name in names:
        loa.trace_when_complete(name)


def release(
    loa: LoaProcess, work: Callable[[BulletinDesk], Awaitable[BulletinIssue]]
) -> BulletinIssue:
    """Make an issue at the desk, and wait until readers have it."""

    async def done() -> BulletinIssue:
        async with bulletin_desk(loa) as desk:
            issue = await work(desk)
            await desk.release(issue.content_id)
            return issue

    issue = asyncio.run(done())
    loa.trace_when_complete(issue.content_id)
    return issue


def begin(first_day: date) -> Callable[[BulletinDesk], Awaitable[BulletinIssue]]:
    return lambda desk: desk.begin(first_day, first_day + _SPAN - _DAY)


async def begin_and_edit(desk: BulletinDesk, first_day: date) -> BulletinIssue:
    """The first issue, put in order by its editor."""
    issue = await begin(first_day)(desk)
    assert {entry.content_id for entry in issue.entries} == {"mot", "hai", "ba"}
    issue = editing.place_before(issue, "ba", "the-che", "hai")
    issue = editing.shorten(issue, "mot", SHORT)
    issue = editing.introduce(issue, INTRODUCTION)
    await desk.save(issue)
    return issue


def test_four_issues_reach_every_channel_and_tell_no_item_twice(loa, browser):
    days = [vietnam_time(time.time()).date() + number * _SPAN for number in range(4)]
    publish(loa, "mot", "hai", "ba")
    loa.publish("khac", title="Tin khác", topic="lich-nghi-le")
    first = release(loa, partial(begin_and_edit, first_day=days[0]))
    check_first(loa, first)

    correct(loa, "hai")
    withdraw(loa, "ba")
    publish(loa, "bon", "nam")
    second = release(loa, begin(days[1]))
    check_second(loa, second)
    with browser.tab() as tab:
        for name, what in looked_at(loa, second).items():
            found = tab.do(partial(look_at, name=name, what=what))
            assert [one for one in found if not any(rule in one for rule in PAGES_ONLY)] == []
        tab.do(partial(look_at_article, article=article_of(loa, second)))
    keep_print(loa, second)

    publish(loa, "sau")
    third = release(loa, begin(days[2]))
    fourth = release(loa, begin(days[3]))
    issues = (first, second, third, fourth)
    told = [entry.content_id for one in issues for entry in one.entries]
    assert sorted(told) == sorted(TEXTS)
    assert third.amendments == fourth.amendments == (), "a change is told once"
    assert len({one.content_id for one in issues}) == 4
    archive = loa.page(f"/muc/{SERIES.topic}/")[1]
    assert all(f"/tin/{one.content_id}" in archive for one in issues)
    assert loa.violations() == []
    [warning] = loa.cli("check", "--json").json["warnings"]
    assert (warning["key"], warning["detail"]) == (first.content_id, "ba")
    check_corrected(loa, first)
    assert loa.cli("check", "--json").json["warnings"] == loa.violations() == []


def check_corrected(loa: LoaProcess, first: BulletinIssue) -> None:
    """A correction takes a withdrawn item out of every face of the issue that told it."""
    name, gone = first.content_id, title("ba")
    assert all(gone in text for text in lasting_faces(loa, name))

    async def corrected() -> BulletinIssue:
        async with bulletin_desk(loa) as desk:
            return await desk.correct(name)

    assert [one.content_id for one in asyncio.run(corrected()).entries] == ["hai", "mot"]
    loa.trace_when_complete(name, 2)
    for text in lasting_faces(loa, name):
        assert gone not in text and title("mot") in text


def lasting_faces(loa: LoaProcess, name: str) -> list[str]:
    """Lasting traces of an issue: page, entry of the feed, article on Zalo."""
    page = loa.page(f"/tin/{name}")[1]
    feed = json.loads(loa.page(f"/nguon-tin/{SERIES.topic}.json")[1])["items"]
    [entry] = [one for one in feed if name in one["url"]]
    articles = loa.sandbox("state")["articles"]
    shown = [one for one in articles if "số 01/" in one["title"] and one["status"] == "show"]
    return [page[page.index("<main") :], json.dumps(entry, ensure_ascii=False), str(shown)]


def check_first(loa: LoaProcess, issue: BulletinIssue) -> None:
    """Every face has the items in the editor's order; who had one alone has it as a line."""
    order = (INTRODUCTION.removesuffix("."), title("ba"), title("hai"), title("mot"), SHORT)
    for text in faces(loa, issue):
        places = [text.index(words) for words in order]
        assert places == sorted(places) and "Tin khác" not in text
    for text in mail_parts(loa, issue, ALL):
        places = [text.index(words) for words in order[:-1]]
        assert places == sorted(places) and SHORT not in text


def check_second(loa: LoaProcess, issue: BulletinIssue) -> None:
    assert {entry.content_id for entry in issue.entries} == {"bon", "nam"}
    changes = {(one.content_id, one.change) for one in issue.amendments}
    assert changes == {("hai", "corrected"), ("ba", "withdrawn")}
    for text in faces(loa, issue):
        assert WRONG in text and TAKEN in text


def number(issue: BulletinIssue) -> str:
    return f"số {issue.number:02d}/{issue.year}"


def faces(loa: LoaProcess, issue: BulletinIssue) -> list[str]:
    """The issue as a page, in a mail's two parts, and as an article on Zalo."""
    path = f"/tin/{issue.content_id}"
    status, page = loa.page(path)
    assert status == 200
    assert path in loa.page(f"/nguon-tin/{SERIES.topic}.atom")[1]
    article = str(article_of(loa, issue))
    return [page[page.index("<main") :], *mail_parts(loa, issue, BULLETIN), article]


def article_of(loa: LoaProcess, issue: BulletinIssue) -> dict[str, Any]:
    """The one article on Zalo that the issue is."""
    articles = loa.sandbox("state")["articles"]
    [article] = [one for one in articles if number(issue) in str(one)]
    return article


def mail_parts(loa: LoaProcess, issue: BulletinIssue, to: str) -> list[str]:
    """Both parts of the one mail that a reader got of the issue."""
    mails = [one for one in loa.mails() if number(issue) in one["Subject"] and to in one["To"]]
    assert len(mails) == 1
    return [mails[0].get_body((kind,)).get_content() for kind in ("plain", "html")]


def looked_at(loa: LoaProcess, issue: BulletinIssue) -> dict[str, str]:
    """Addresses of pages, and mails, by the names of their pictures."""
    url = loa.ready().url
    return {
        "cong-thong-tin": f"{url}/tin/{issue.content_id}",
        "cac-so": f"{url}/muc/{SERIES.topic}/",
        "thu": mail_parts(loa, issue, BULLETIN)[1],
        "thu-da-nhan-tin": mail_parts(loa, issue, ALL)[1],
    }


async def look_at(page, name: str, what: str) -> list[str]:
    """Faults by axe on a page or in a mail, and the width of its sideways scroll, in every look."""
    is_page = what.startswith("http")
    await page.goto(what if is_page else "about:blank")
    if not is_page:
        await page.set_content(what)
    found = await faults_in_every_look(page)
    for look in PICTURES[name]:
        await set_look(page, *LOOKS[look])
        await screenshot(page, f"{name}-{look}.webp", colours=20)
    return [f"{name}: {one}" for one in found]


async def look_at_article(page, article: dict[str, Any]) -> None:
    """Show the article's parts, as Zalo gets them, at the width of a telephone."""
    parts = "".join(f"<div>{part['content']}</div>" for part in article["body"])
    head = f"<h1>{escape(article['title'])}</h1><p><b>{escape(article['description'])}</b></p>"
    style = "body { font: 16px/1.5 sans-serif; margin: 16px; overflow-wrap: anywhere }"
    style += " h1 { font-size: 22px; line-height: 1.3 } div { margin: 12px 0 }"
    await set_look(page, *LOOKS["320"])
    await page.set_content(f"<html lang=vi><style>{style}</style>{head}{parts}")
    await screenshot(page, "zalo-320.webp", colours=20)


def keep_print(loa: LoaProcess, issue: BulletinIssue) -> None:
    """Keep pictures of the pages of the PDF."""
    folder = os.environ.get(PICTURES_VARIABLE)
    if not folder:
        return
    file = loa.folder / "so.pdf"
    file.write_bytes(IssuePrinter(loa.ready().url).pdf(issue, SERIES.name, is_draft=False))
    pages = ["pdftoppm", "-r", "80", "-png", file, loa.folder / "in"]
    subprocess.run(pages, check=True)
    for place, page in enumerate(sorted(loa.folder.glob("in-*.png")), start=1):
        Image.open(page).save(Path(folder, f"in-{place}.webp"), quality=60)


def correct(loa: LoaProcess, name: str) -> None:
    said = {**facts(name), "content_id": name, "reason": WRONG}
    event = sample_event("corrected", id="sua", revision=2, corrects_revision=1, **said)
    assert loa.post(event).status == 202
    loa.trace_when_complete(name, 2)


def withdraw(loa: LoaProcess, name: str) -> None:
    event = sample_event("withdrawn", id="go", content_id=name, reason=TAKEN)
    assert loa.post(event).status == 202
    loa.trace_when_complete(name, 2)
