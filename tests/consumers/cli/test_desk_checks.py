"""`loa desk check`: the findings beside the acts of an item's page, at the command line."""

import pytest

from producers.desk.editor.checks import check_text
from tests.consumers.cli.test_desk_acts import TEXT, done
from tests.consumers.cli.test_staff import intake, people

__all__ = ["intake", "people"]
LINK = "http://10.0.0.1/van-ban"
DOUBTFUL = TEXT + f"\nSố căn cước 001099012345. [Văn bản]({LINK})\n"


@pytest.fixture
async def officer(people, intake):
    return await people("an", "nguoi-gui-tin", name="Lê An")


async def test_the_checks_of_the_page_are_said_of_the_newest_text(officer, people):
    written = await done(officer, "write", "-", stdin=DOUBTFUL)
    item = written["content_id"]
    checked = await done(officer, "check", item)
    data = (await done(officer, "show", item))["data"]
    assert checked["hash"] == written["hash"] and not checked["is_fine"]
    assert [(one["code"], one["said"]) for one in checked["found"]] == [
        (one.code, one.said) for one in check_text(data)
    ]
    assert "identity" in {one["code"] for one in checked["found"]}
    assert (checked["links"], checked["asked"]) == (1, []), "no link is asked by itself"
    shown = (await officer("desk", "check", item)).stdout
    assert all(one["said"] in shown for one in checked["found"])
    stranger = await people("giang", "quan-tri-kenh")
    assert (await stranger("desk", "check", item)).exit_code == 2
    assert (await officer("desk", "check", "khong-co")).exit_code == 2


async def test_links_are_asked_on_the_public_internet_alone_by_who_writes_or_answers(
    officer, people
):
    item = (await done(officer, "write", "-", stdin=DOUBTFUL))["content_id"]
    [link] = (await done(officer, "check", item, "--links"))["asked"]
    assert (link["url"], link["reason"]) == (LINK, "not_public")
    assert f"{LINK}: {link['said']}" in (await officer("desk", "check", item, "--links")).stdout


async def test_a_text_like_another_is_named_by_its_item(officer):
    first = (await done(officer, "write", "-", stdin=DOUBTFUL))["content_id"]
    again = DOUBTFUL.replace("Đoạn một", "Đoạn thứ một")
    second = (await done(officer, "write", "-", stdin=again))["content_id"]
    [near] = (await done(officer, "check", second))["near"]
    assert near["content_id"] == first and near["share_of_text"] > 0.5


async def test_the_check_of_a_draft_says_for_which_it_would_be_refused(officer):
    text = TEXT.replace('"cai-cach-hanh-chinh"', '"cai-cach"')
    written = await done(officer, "write", "-", stdin=text)
    checked = await done(officer, "check", written["content_id"])
    [refused] = [one for one in checked["found"] if one["code"] == "refused"]
    assert refused["field"] == "topic" and "cai-cach" in refused["said"]
    assert not checked["is_fine"]
    shown = (await officer("desk", "check", written["content_id"])).stdout
    assert f"topic: {refused['said']}" in shown
