"""Items that say nearly the same are named beside a text."""

import re

import pytest

from producers.desk.editor.near_texts import share, shingles
from producers.desk.rendering import desk_texts
from tests.support.newsroom import TEXT, open_newsroom


@pytest.fixture
async def newsroom(desk):
    async with open_newsroom(desk) as opened:
        yield opened


@pytest.mark.parametrize(
    ("one", "other", "at_least", "at_most"),
    [
        ("Hướng dẫn nộp hồ sơ", "HƯỚNG DẪN nộp hồ sơ.", 1, 1),
        ("Hướng dẫn nộp hồ sơ năm 2026", "Hướng dẫn nộp hồ sơ năm 2027", 0.6, 0.9),
        ("Lịch tiếp công dân tháng 12", "Kết quả cải cách hành chính", 0, 0),
    ],
)  # fmt: skip
def test_the_share_says_how_alike_two_titles_are(one, other, at_least, at_most):
    assert at_least <= share(shingles(one), shingles(other)) <= at_most


LONG = (
    "Từ ngày 01/12/2026, người dân nộp hồ sơ trên Cổng Dịch vụ công quốc gia, không phải đến trụ "
    "sở; hồ sơ giấy tiếp tục được nhận tại Bộ phận Một cửa trong giờ làm việc. Kết quả được trả "
    "qua bưu điện hoặc tại nơi nộp, theo phiếu hẹn ghi khi nhận hồ sơ."
)
OTHER = "Lịch tiếp công dân của lãnh đạo Bộ trong tháng mười hai năm nay, tại trụ sở tiếp công dân."


async def findings(newsroom, login: str, path: str) -> list[str]:
    page = await newsroom[login].get(f"{path}/sua")
    return re.findall(r"<li>((?:Nội dung|Tiêu đề) giống.*?)</li>", page.text, re.S)


async def test_a_text_that_is_out_is_named_beside_one_with_nearly_its_title(newsroom):
    out = await newsroom.written(body=LONG)
    await newsroom.approve(out)
    same = await newsroom.written(title=f"{TEXT['title']} mới", body=OTHER)
    other = await newsroom.written(title="Lịch tiếp công dân tháng mười hai", body=OTHER + " Hết.")
    [near] = [one for one in await findings(newsroom, "an", same) if "Tiêu đề" in one]
    assert f'href="{out}/xem-truoc"' in near
    assert desk_texts()["item"]["status_names"]["published"] in near
    for path in (other, out):
        assert not any("Tiêu đề" in one for one in await findings(newsroom, "an", path)), path


async def test_a_text_is_named_beside_one_that_says_nearly_the_same(newsroom):
    first = await newsroom.written(body=LONG, title="Nộp hồ sơ từ tháng mười hai")
    copy = LONG.replace("người dân", "công dân").upper() + " Xin cảm ơn."
    second = await newsroom.written(body=copy, title="Thông báo của Văn phòng Bộ")
    third = await newsroom.written(body=OTHER, title="Lịch tiếp công dân")
    [near] = await findings(newsroom, "an", second)
    assert near.startswith("Nội dung giống") and f'href="{first}/xem-truoc"' in near
    assert desk_texts()["item"]["status_names"]["draft"] in near, "its state"
    assert " ngày " in near, "and since when"
    assert await findings(newsroom, "an", third) == []
    async with newsroom.desk.signed_in("khac", "nguoi-gui-tin") as stranger:
        page = await stranger.press("/soan-moi", "/soan-moi", **TEXT | {"body": LONG})
        path = page.headers["location"]
        newsroom.browsers["khac"] = stranger
        assert await findings(newsroom, "khac", path) == [], "drafts of others are not told"
    await newsroom.approve(first)
    async with newsroom.desk.browser(await newsroom.desk.session_of("khac")) as stranger:
        newsroom.browsers["khac"] = stranger
        [near] = await findings(newsroom, "khac", path)
        assert f'href="{first}/xem-truoc"' in near
