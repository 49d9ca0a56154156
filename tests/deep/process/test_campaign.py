"""The sample ministry's campaign on a real Loa: its page and feed, and a plan that stays inside."""

import io
import json
import re
from urllib.request import Request, urlopen

import docx
import pytest

from consumers.cli.sample.items import read_campaign, read_sample_text
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.sample_desk import fill_with_sample
from tests.support.served_desk import PLAIN_COOKIE

CAMPAIGN = read_campaign()
PAGE, FEED = f"/chuyen-de/{CAMPAIGN.name}/", f"/nguon-tin/chuyen-de-{CAMPAIGN.name}.atom"
JOINED = ("37-khao-sat-hai-long", "04-mo-dich-vu-cong")
INSIDE = [CAMPAIGN.purpose, *(one.title for one in CAMPAIGN.entries)]
INSIDE += ["campaign_plan", "campaign_entry"]
"""Fields of a plan, and the names of fields that no reader ever has."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A Loa whose portal has the campaign and the items that joined; Zalo takes days for them."""
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.readers(5)
        sample = fill_with_sample(loa)
        joined = [sample.items[name] for name in JOINED]
        wait_until(
            lambda: all(f"/tin/{one}" in loa.page(PAGE)[1] for one in joined),
            "the page of the campaign",
        )
        yield loa, sample, joined


def test_the_campaign_has_a_page_and_a_feed_with_what_joined(filled):
    loa, _, joined = filled
    for path in (PAGE, FEED):
        status, text = loa.page(path)
        assert status == 200
        assert CAMPAIGN.title in text
        assert all(f"/tin/{content_id}" in text for content_id in joined)
    rebuilt = loa.cli("rebuild", "portal", "--json")
    assert rebuilt.exit_code == 0, rebuilt.err
    assert loa.page(PAGE)[0] == 200
    found = [one for one in loa.violations() if "chuyen-de" in json.dumps(one)]
    assert found == []


def test_nothing_of_the_plan_reaches_a_reader(filled):
    loa, *_ = filled
    files = [path for path in (loa.data / "portal" / "public").rglob("*") if path.is_file()]
    assert files
    title = read_sample_text(JOINED[0])["title"]
    wait_until(lambda: any(title in one["subject"] for one in loa.mails()), "a mail of an item")
    mails = [part.get_content() for mail in loa.mails() for part in mail.walk() if is_text(part)]
    zalo = json.dumps(loa.sandbox("state"), ensure_ascii=False)
    for words in INSIDE:
        assert [path for path in files if words.encode() in path.read_bytes()] == []
        assert not any(words in mail for mail in mails)
        assert words not in zalo


def is_text(part) -> bool:
    return part.get_content_maintype() == "text"


def test_the_desk_shows_plan_beside_done_and_reports_it(filled):
    _, sample, joined = filled
    page = desk_page(sample, "").decode()
    states = dict(re.findall(r'data-entry="(\d+)" data-state="(\w+)"', page))
    assert states == {"1": "done", "2": "planned", "3": "late", "4": "planned"}
    assert all(f"/tin/{content_id}" in page for content_id in joined)
    word = docx.Document(io.BytesIO(desk_page(sample, "/bao-cao")))
    cells = {cell.text for table in word.tables for row in table.rows for cell in row.cells}
    assert {f"{number}. {one.title}" for number, one in enumerate(CAMPAIGN.entries, 1)} <= cells


def desk_page(sample, rest: str) -> bytes:
    """A page of the campaign at the desk, as its approver sees it."""
    url = f"{sample.url}/tin/{CAMPAIGN.name}/chuyen-de{rest}"
    cookie = f"{PLAIN_COOKIE}={sample.tokens['lanh-dao-duyet']}"
    with urlopen(Request(url, headers={"Cookie": cookie}), timeout=60) as answer:
        return answer.read()
