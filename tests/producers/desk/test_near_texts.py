"""Texts that are out and have nearly the same title are named beside the form."""

import pytest

from producers.desk.editor.near_texts import share, shingles
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


async def test_a_text_that_is_out_is_named_beside_one_with_nearly_its_title(newsroom):
    out = await newsroom.written()
    for login, act, fields in (
        ("an", "gui", {}),
        ("binh", "xac-nhan", {"clean": "1"}),
        ("chi", "trinh", {"clean": "1"}),
        ("dung", "duyet", {}),
    ):
        await newsroom.press(login, out, act, **fields)
    same = await newsroom.written(title=f"{TEXT['title']} mới")
    other = await newsroom.written(title="Lịch tiếp công dân tháng mười hai")
    page = await newsroom["an"].get(f"{same}/sua")
    assert "gần giống (" in page.text and f'href="{out}"' in page.text
    for path in (other, out):
        assert "gần giống (" not in (await newsroom["an"].get(f"{path}/sua")).text, path
