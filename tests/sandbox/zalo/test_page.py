"""The sandbox's page: the view of followers, in a browser that loads no other address."""

import re

import pytest

from tests.support.publications import a_publication
from tests.support.sandbox_client import BY_PHONE, PHONE, order


async def see(zalo, path="/", **query):
    async with zalo.http.get(path, params=query) as answer:
        return answer.status, await answer.text()


async def test_each_person_has_a_page_with_what_they_see(zalo):
    item = a_publication(body="Lương <script>alert(1)</script> & thưởng")
    for row in ("article", "broadcast"):
        await zalo.account.send(item, row)
    binh = await zalo.person(name="Trần Thị Bình", phone=PHONE)
    other = await zalo.person(name="Lê Văn Cường")
    await zalo.later(minutes=30)
    await zalo.act(binh, "write", text="Hồ sơ của tôi <b>đâu</b>?")
    await zalo.act(binh, "write", sort="sticker", attachments=[{"type": "sticker"}])
    file = {"type": "file", "payload": {"name": "đơn.pdf"}}
    await zalo.act(binh, "write", sort="file", attachments=[file])
    await zalo.said("/v2.0/oa/message", zalo.message(binh, text="Đang xử lý & sắp xong"))
    news = (await zalo.said(BY_PHONE, order()))["data"]["msg_id"]
    await zalo.settle()
    await zalo.act(binh, "feedback", message_id=news, rate=4, note="Nhanh")
    _, overview = await see(zalo)
    for text in ("đang hiển thị", "&amp; thưởng", f"?user_id={binh}", f"?user_id={other}"):
        assert text in overview
    assert "<script>" not in overview
    status, hers = await see(zalo, user_id=binh)
    assert status == 200
    for text in (
        "Lịch nghỉ Tết Nguyên đán năm 2027",
        "Hồ sơ của tôi &lt;b&gt;đâu&lt;/b&gt;?",
        "Nhãn dán",
        "Tệp: đơn.pdf",
        "Đang xử lý &amp; sắp xong",
        "Kính gửi Ông/Bà Trần Thị Bình. Hồ sơ HS-01 hiện ở trạng thái: Đã tiếp nhận.",
        "Tra cứu hồ sơ",
        "đánh giá 4/5: Nhanh",
    ):
        assert text in hers
    _, his = await see(zalo, user_id=other)
    assert "Lịch nghỉ Tết" in his
    assert "Hồ sơ" not in his


async def test_a_person_s_page_tells_a_withdrawal_and_a_phone_that_is_off(zalo):
    user_id = await zalo.person(online=False)
    await zalo.said("/v2.0/oa/message", zalo.message(user_id))
    _, page = await see(zalo, user_id=user_id)
    assert "yêu cầu xóa dữ liệu" not in page
    assert "chưa nhận được tin nào" in page
    assert "điện thoại đang tắt" in page
    await zalo.act(user_id, "withdraw")
    assert "yêu cầu xóa dữ liệu" in (await see(zalo, user_id=user_id))[1]


async def test_what_has_arrived_stays_so_when_the_clock_goes_back_in_the_evening(zalo):
    item = a_publication()
    for row in ("article", "broadcast"):
        await zalo.account.send(item, row)
    assert "· đang chờ Zalo gửi ·" in (await see(zalo))[1]
    await zalo.later(minutes=30)
    arrived = (await see(zalo))[1]
    await zalo.later(hours=-13)
    assert all("· đã tới máy người nhận ·" in one for one in (arrived, (await see(zalo))[1]))


@pytest.mark.parametrize("query", [{}, {"user_id": "1"}])
async def test_the_page_loads_nothing_from_elsewhere(zalo, query):
    await zalo.create(status="show", description="Xem https://cong.example/a")
    async with zalo.http.get("/", params=query) as answer:
        policy, html = answer.headers["Content-Security-Policy"], await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r'(?:src|href)="(?![/#])[^"]*"', html) == []
    assert not re.search(r"<script|<style|<iframe| style=| on\w+=", html)
    assert '<html lang="vi">' in html
    [sheet] = re.findall(r'stylesheet" href="([^"]+)"', html)
    _, css = await see(zalo, sheet)
    assert not re.search(r"url\(|@import", css)
