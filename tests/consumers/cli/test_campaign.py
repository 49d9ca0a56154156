"""`loa campaign`: a campaign is proposed, planned and joined, and shown with plan beside done."""

import json
import re
from datetime import datetime, timedelta

import pytest

from consumers.desk.reports.rows_file import ROWS_FILE, Rules, open_rows
from contracts.desk.deadlines import default_deadlines
from contracts.text.moments import VIETNAM
from contracts.vocabulary import DEFAULT
from tests.support.cli import json_output
from tests.support.repository import ROOT

BY = ("--by", "Lê An", "--json")
NAME, ITEM_FILE = "luong-moi", '+++\ntitle = "Hỏi đáp"\ntopic = "lich-nghi-le"\n+++\nNội dung.\n'
TODAY = datetime.now(VIETNAM).date()
FIRST, LAST = str(TODAY - timedelta(days=1)), str(TODAY + timedelta(days=30))
ABOUT = (
    "--title",
    "Tiền lương mới",
    "--introduction",
    "Tiền lương tính theo quy định mới.",
    "--purpose",
    "Giải thích quy định mới.",
    "--unit",
    "van-phong-bo",
)
PROPOSAL = ("propose", NAME, *ABOUT, "--first", FIRST, "--last", LAST)


@pytest.fixture
async def campaign(bus, loa):
    """`await campaign("show", NAME)`: the answer, as a named person."""

    async def run(*words: str) -> dict:
        done = await loa("campaign", *words, *BY)
        assert done.exit_code == 0, done.stderr
        return json_output(done)

    return run


@pytest.fixture
async def item(loa, tmp_path):
    """The content_id of a draft."""
    path = tmp_path / "tin.md"
    path.write_text(ITEM_FILE, "utf-8")
    done = await loa("desk", "write", str(path), "--unit", "van-phong-bo", *BY)
    return json_output(done)["content_id"]


async def test_a_campaign_is_proposed_planned_and_shown(campaign, loa):
    await campaign(*PROPOSAL, "--target", "items=8", "--partner", "vu-phap-che")
    await campaign("plan", NAME, "Giới thiệu", FIRST)
    await campaign("plan", NAME, "Hỏi đáp", LAST, "--unit", "vu-phap-che", "--channel", "email")
    await campaign("plan", NAME, "Bỏ đi", LAST)
    await campaign("drop", NAME, "3")
    await campaign("plan", NAME, "Phỏng vấn", LAST)
    await campaign("move", NAME, "2", str(TODAY + timedelta(days=2)))
    longer = str(TODAY + timedelta(days=60))
    answer = await campaign("change", NAME, "--last", longer, "--note", "Kéo dài.")
    shown = await campaign("show", NAME)
    assert (shown["hash"], shown["status"], shown["plan"]["last_day"]) == (
        answer["hash"], "draft", longer,
    )  # fmt: skip
    planned = [(one["planned"]["number"], one["planned"]["title"]) for one in shown["entries"]]
    assert planned == [(1, "Giới thiệu"), (2, "Hỏi đáp"), (4, "Phỏng vấn")]
    assert [one["state"] for one in shown["entries"]] == ["late", "planned", "planned"]
    [listed] = await campaign("list")
    assert (listed["content_id"], listed["planned"], listed["late"]) == (NAME, 3, 1)
    assert "Giải thích quy định mới." in (await loa("desk", "show", NAME, *BY)).stdout


async def test_a_target_has_its_figure_where_the_desk_keeps_one_else_the_reason(
    campaign, loa, tmp_path
):
    await campaign(*PROPOSAL, "--target", "items=8", "--target", "delivered=9")
    said = (await loa("campaign", "show", NAME, *BY[:2])).stdout
    assert "items: 0 / 8" in said and "delivered: - / 9" in said
    copy = tmp_path / "desk" / ROWS_FILE
    reason = "ask on the machine where the desk runs"
    assert reason in " ".join(said.split())
    copy.parent.mkdir(exist_ok=True)
    open_rows(copy, Rules(DEFAULT.bulletins, default_deadlines())).close()
    shown = await campaign("show", NAME)
    assert shown["reached"] == {"items": "0", "delivered": "chưa có số liệu"}
    assert reason not in shown["notes"][0]


async def test_an_item_joins_a_planned_one_and_leaves_again(campaign, item):
    await campaign(*PROPOSAL)
    await campaign("plan", NAME, "Hỏi đáp", LAST)
    await campaign("join", item, NAME, "--entry", "1")
    [entry] = (await campaign("show", NAME))["entries"]
    assert [one["content_id"] for one in entry["items"]] == [item]
    assert entry["state"] == "planned"
    await campaign("leave", item)
    assert (await campaign("show", NAME))["entries"][0]["items"] == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("show", "tin-la"), "content_id"),
        (("plan", "tin-la", "Tin", LAST), "content_id"),
        (("plan", NAME, "Tin", "2020-01-01"), "data.campaign_plan"),
        (("plan", NAME, "Tin", "hôm nay"), "data.campaign_plan"),
        (("drop", NAME, "9"), "entry"),
        (("change", NAME, "--target", "nhiều"), "--target"),
        (("change", NAME, "--target", "tin=8"), "data.campaign_plan.targets.0.metric"),
        (("propose", NAME, *ABOUT, "--first", LAST, "--last", FIRST), "begin before it ends"),
        (("propose", "Tên sai", *PROPOSAL[2:]), "content_id"),
        (("join", "ITEM", "chuyen-de-la"), "data.campaign"),
        (("join", "ITEM", NAME, "--entry", "4"), "data.campaign_entry"),
    ],
)
async def test_what_is_wrong_is_named(campaign, loa, item, words, named):
    await campaign(*PROPOSAL)
    words = [item if word == "ITEM" else word for word in words]
    refused = await loa("campaign", *words, *BY)
    assert refused.exit_code == 2 and named in refused.stderr


WRONG_ENTRIES = [
    {"number": 1, "title": "Một", "day": "2000-01-01"},
    {"number": 1, "title": "Hai", "day": LAST, "unit": "vu-la"},
]
MISTAKES = ("partners.0", "entries.0.day", "entries.1.number", "entries.1.unit")


async def test_a_plan_with_mistakes_is_refused_with_all_of_them_and_the_campaign_stays(
    campaign, loa, tmp_path
):
    proposed = await campaign(*PROPOSAL)
    plan = {"purpose": "Mục đích.", "first_day": FIRST, "last_day": LAST, "partners": ["vu-la"]}
    file = tmp_path / "plan.json"
    for wrong, fields in (({**plan, "entries": WRONG_ENTRIES}, MISTAKES), ({}, ("",))):
        file.write_text(json.dumps({"campaign_plan": wrong}), "utf-8")
        words = ("write", str(file), "--item", NAME, "--hash", proposed["hash"])
        refused = await loa("desk", *words, *BY)
        assert refused.exit_code == 2
        assert all(f"data.campaign_plan.{one}".rstrip(".") in refused.stderr for one in fields)
    assert (await campaign("show", NAME))["hash"] == proposed["hash"]


async def test_planning_and_proposing_name_all_mistakes_at_once(campaign, loa):
    await campaign(*PROPOSAL)
    refused = await loa("campaign", "plan", NAME, "Tin", "2000-01-01", "--unit", "vu-la", *BY)
    assert "entries.0.day" in refused.stderr and "entries.0.unit" in refused.stderr
    days = ("--first", LAST, "--last", FIRST, "--partner", "vu-la")
    refused = await loa("campaign", "propose", "khac", *ABOUT, *days, *BY)
    assert "first_day" in refused.stderr and "partners.0" in refused.stderr


async def test_a_campaign_that_is_there_is_not_proposed_again(campaign, loa):
    await campaign(*PROPOSAL)
    assert await campaign(*PROPOSAL)
    refused = await loa("campaign", *PROPOSAL, "--target", "items=8", *BY)
    assert refused.exit_code != 0
    assert "is there already" in refused.stderr and "another person" not in refused.stderr


@pytest.mark.parametrize("page", ["campaigns.md", "campaigns.vi.md"])
async def test_the_campaign_in_the_documents_is_begun_from_its_file(campaign, loa, tmp_path, page):
    written = (ROOT / "docs" / page).read_text("utf-8")
    [example] = re.findall(r"```json\n(.*?)```", written, re.DOTALL)
    file, data = tmp_path / "plan.json", json.loads(example)
    file.write_text(example, "utf-8")
    done = await loa("desk", "write", str(file), "--unit", "van-phong-bo", *BY)
    assert done.exit_code == 0, done.stderr
    shown = await campaign("show", data["campaign"])
    assert [one["planned"]["title"] for one in shown["entries"]] == [
        one["title"] for one in data["campaign_plan"]["entries"]
    ]
