"""`loa bulletin`: an issue is proposed under its number, edited by its parts, and shown."""

import json
import time
from datetime import UTC, datetime, timedelta

import pypdf
import pytest

from consumers.desk.item_acts import ItemActs
from consumers.editorial.log import EditorialLog
from consumers.staff.authorization import Actor
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinIssue
from contracts.desk.editorial import NewItem
from contracts.text.moments import VIETNAM
from contracts.vocabulary import DEFAULT
from tests.support.bulletin_history import SERIES, SERIES_ID
from tests.support.cli import json_output
from tests.support.events import released_publications
from tests.support.publications import a_publication
from tests.support.services import store_publication

BY = ("--by", "Lê An", "--json")
TOPICS = ("the-che-chinh-sach", "the-che-chinh-sach", "chuyen-doi-so")


def an_item(number: int, **changes):
    at = datetime.now(UTC) - timedelta(seconds=10 - number)
    released = {"first_released_at": at, "released_at": at}
    about = {"title": f"Tin {number}", "topic": TOPICS[number]}
    return a_publication(content_id=f"tin-{number}", **about, **released, **changes)


@pytest.fixture
async def bulletin(bus, loa):
    """`await bulletin("show", ISSUE)`: the answer, as a named person."""
    for number in range(len(TOPICS)):
        await store_publication(bus, an_item(number))

    async def run(*words: str) -> dict:
        done = await loa("bulletin", *words, *BY)
        assert done.exit_code == 0, done.stderr
        return json_output(done)

    return run


def this_week() -> tuple[str, ...]:
    """Days around today: a test may run at midnight."""
    today = datetime.now(VIETNAM).date()
    return ("--first", str(today - timedelta(days=1)), "--last", str(today))


def week_before() -> tuple[str, ...]:
    """Days before those of `this_week`."""
    today = datetime.now(VIETNAM).date()
    return ("--first", str(today - timedelta(days=3)), "--last", str(today - timedelta(days=2)))


def ids(shown: dict) -> list[str]:
    sections = shown["issue"]["sections"]
    return [entry["content_id"] for one in sections for entry in one["entries"]]


async def test_an_issue_is_proposed_edited_and_shown(bulletin, loa):
    shown = await bulletin("propose", SERIES_ID, *this_week())
    issue = shown["content_id"]
    assert ids(shown) == ["tin-0", "tin-1", "tin-2"] and shown["status"] == "draft"
    await bulletin("move", issue, "tin-1", "up")
    await bulletin("put", issue, "tin-2", "quoc-te")
    await bulletin("drop", issue, "tin-0")
    await bulletin("add", issue, "tin-0", "van-ban")
    await bulletin("shorten", issue, "tin-1", "Một câu.")
    await bulletin("introduce", issue, "Tuần qua.")
    answer = await bulletin("compiled-by", issue, "Lê An")
    shown = await bulletin("show", issue)
    assert ids(shown) == ["tin-1", "tin-2", "tin-0"]
    assert (shown["hash"], shown["outdated"]) == (answer["hash"], [])
    [listed] = await bulletin("list", SERIES_ID, "--year", str(shown["issue"]["year"]))
    assert (listed["content_id"], listed["items"], listed["status"]) == (issue, 3, "draft")
    text = (await loa("desk", "show", issue, *BY)).stdout
    assert all(words in text for words in ("Tuần qua.", "Một câu.", "Biên soạn: Lê An"))


async def test_an_issue_is_written_as_a_pdf(bulletin, tmp_path):
    issue = (await bulletin("propose", SERIES_ID, *this_week()))["content_id"]
    path = tmp_path / "so-01.pdf"
    await bulletin("print", issue, str(path))
    text = pypdf.PdfReader(path).pages[0].extract_text()
    assert "Tin 0" in text and "DỰ THẢO" in text


async def test_a_dry_run_saves_nothing(bulletin):
    shown = await bulletin("propose", SERIES_ID, *this_week(), "--dry-run")
    assert len(ids(shown)) == 3 and shown["status"] is None
    assert await bulletin("list", SERIES_ID, "--year", str(shown["issue"]["year"])) == []


async def test_a_number_is_taken_by_a_draft_until_that_is_given_up(bulletin, loa):
    shown = await bulletin("propose", SERIES_ID, *this_week())
    first, hash = shown["content_id"], shown["hash"]
    taken = await loa("bulletin", "propose", SERIES_ID, *week_before(), "--number", "1", *BY)
    assert taken.exit_code == 2 and "number" in taken.stderr
    assert (await loa("desk", "discard", first, "--hash", hash, *BY)).exit_code == 0
    again = await bulletin("propose", SERIES_ID, *this_week())
    assert again["content_id"] == first and len(ids(again)) == 3


async def test_a_repeat_for_the_same_days_is_the_draft_that_there_is(bulletin, loa):
    """As after a lost answer; days that another issue has in part are refused."""
    first = await bulletin("propose", SERIES_ID, *this_week())
    edited = await bulletin("drop", first["content_id"], "tin-0")
    again = await loa("bulletin", "propose", SERIES_ID, *this_week(), *BY)
    assert json_output(again)["hash"] == edited["hash"], "with what was changed since"
    assert first["content_id"] in again.stderr and "nothing was made anew" in again.stderr
    last_day = first["issue"]["last_day"]
    days = ("--first", last_day, "--last", last_day)
    refused = await loa("bulletin", "propose", SERIES_ID, *days, *BY)
    assert refused.exit_code == 2 and first["content_id"] in refused.stderr
    days = ("--first", "2199-01-01", "--last", "2199-01-02")
    refused = await loa("bulletin", "propose", SERIES_ID, *days, *BY)
    assert refused.exit_code == 2 and "first_day" in refused.stderr


async def test_an_item_of_another_draft_is_not_added(bulletin, loa):
    second = (await bulletin("propose", SERIES_ID, *week_before()))["content_id"]
    first = (await bulletin("propose", SERIES_ID, *this_week()))["content_id"]
    refused = await loa("bulletin", "add", second, "tin-0", "van-ban", *BY)
    assert refused.exit_code == 2 and first in refused.stderr
    await bulletin("drop", first, "tin-0")
    await bulletin("add", second, "tin-0", "van-ban")


async def test_no_number_leaves_a_gap_and_a_draft_of_any_number_is_seen(bulletin, loa, bus):
    refused = await loa("bulletin", "propose", SERIES_ID, *this_week(), "--number", "7", *BY)
    assert refused.exit_code == 2 and "number 1 " in refused.stderr
    shown = await bulletin("propose", SERIES_ID, *this_week(), "--dry-run")
    issue = BulletinIssue.model_validate_json(json.dumps(shown["issue"] | {"number": 7}))
    new = NewItem(SERIES.unit, "a", composition.new_text_of(issue, SERIES), issue.content_id)
    await ItemActs(EditorialLog(bus), DEFAULT, time.time).begin(new, Actor("Lê An"))
    assert SERIES_ID in [one["series"] for one in await bulletin("series")]
    [listed] = await bulletin("list", SERIES_ID, "--year", str(issue.year))
    assert listed["number"] == 7
    assert ids(await bulletin("propose", SERIES_ID, *week_before(), "--number", "1")) == []


STEPS = {"submit": "An", "confirm": "Bình", "propose": "Chi", "approve": "Dung"}


async def release(loa, content_id: str) -> None:
    """Bring a draft to readers, each step by its person."""
    for act, who in STEPS.items():
        hash = json_output(await loa("desk", "show", content_id, *BY))["hash"]
        clean = () if act == "submit" else ("--clean",)
        done = await loa("desk", act, content_id, "--hash", hash, *clean, "--by", who, "--json")
        assert done.exit_code == 0, done.stderr


async def withdraw(bus, content_id: str, revision: int = 2) -> None:
    gone = a_publication(
        content_id=content_id, title="Đã gỡ", action="withdrawn", revision=revision,
        topic="the-che-chinh-sach", body="", released_at=datetime.now(UTC),
    )  # fmt: skip
    await store_publication(bus, gone)


async def test_an_issue_that_tells_a_withdrawn_item_is_corrected_by_one_act(bulletin, loa, bus):
    """A repeat is the same draft; nothing is published by itself, and the reason is public."""
    issue = (await bulletin("propose", SERIES_ID, *this_week()))["content_id"]
    early = await loa("bulletin", "correct", issue, *BY)
    assert early.exit_code == 2 and "no issue that readers have" in early.stderr
    await release(loa, issue)
    current = await loa("bulletin", "correct", issue, *BY)
    assert current.exit_code == 2 and "nothing to correct" in current.stderr
    await withdraw(bus, "tin-0")
    shown = (await loa("bulletin", "show", issue, *BY[:2])).stdout
    assert "  tin-0.1 *  " in shown and "*: has changed since" in shown
    [begun] = await bulletin("correct", "tin-0")
    assert (begun["content_id"], begun["status"], begun["dropped"]) == (issue, "draft", 1)
    [again] = await bulletin("correct", issue)
    assert (again["hash"], again["revision"]) == (begun["hash"], 2)
    await withdraw(bus, "tin-1")
    [both] = await bulletin("correct", issue)
    assert (both["revision"], both["dropped"]) == (2, 2), "the same draft, without both items"
    said = (await loa("bulletin", "correct", issue, *BY[:2])).stdout.splitlines()
    assert f"hash: {both['hash']}" in said
    assert [one["revision"] for one in await released_publications(bus, issue)] == [1]
    await release(loa, issue)
    *_, corrected = await released_publications(bus, issue)
    assert corrected["action"] == "corrected" and "2 tin đã gỡ" in corrected["reason"]
    assert "Tin 2" in corrected["body"] and "Tin 0" not in str(corrected)
    told = await loa("bulletin", "correct", "tin-0", *BY)
    assert told.exit_code == 2 and "tells of tin-0" in told.stderr


async def test_an_issue_without_any_item_left_is_withdrawn_instead(bulletin, loa, bus):
    issue = (await bulletin("propose", SERIES_ID, *this_week()))["content_id"]
    for name in ("tin-1", "tin-2"):
        await bulletin("drop", issue, name)
    await release(loa, issue)
    await withdraw(bus, "tin-0")
    refused = await loa("bulletin", "correct", issue, *BY)
    assert refused.exit_code == 2 and "withdraw the issue" in refused.stderr


async def test_of_two_issues_the_one_with_items_left_is_corrected_and_the_other_named(
    bulletin, loa, bus
):
    """The second one tells only that the item of the first one was corrected."""
    alone = (await bulletin("propose", SERIES_ID, *week_before()))["content_id"]
    await bulletin("add", alone, "tin-0", "van-ban")
    await release(loa, alone)
    changed = {"action": "corrected", "revision": 2, "reason": "Sai ngày."}
    await store_publication(bus, an_item(0, **changed))
    shown = await bulletin("propose", SERIES_ID, *this_week())
    other = shown["content_id"]
    assert [one["content_id"] for one in shown["issue"]["amendments"]] == ["tin-0"]
    await release(loa, other)
    await withdraw(bus, "tin-0", 3)
    done = await loa("bulletin", "correct", "tin-0", *BY)
    assert [one["content_id"] for one in json_output(done)] == [other]
    assert done.exit_code == 2 and f"every item of {alone} has been withdrawn" in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("propose", "ban-tin-la"), "series"),
        (("propose", SERIES_ID, "--first", "hôm nay"), "--first"),
        (
            ("propose", SERIES_ID, "--first", "2026-12-06", "--last", "2026-11-30", "--dry-run"),
            "last_day",
        ),
        (("show", "tin-0"), "content_id"),
        (("list",), SERIES_ID),
        (("move", f"{SERIES_ID}-2026-so-99", "tin-0", "up"), "content_id"),
    ],
)
async def test_what_is_wrong_is_named(bulletin, loa, words, named):
    refused = await loa("bulletin", *words, *BY)
    assert refused.exit_code == 2 and named in refused.stderr
