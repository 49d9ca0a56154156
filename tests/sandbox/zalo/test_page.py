"""The sandbox's page: the view of followers, in a browser that loads no other address."""

import re

import pytest

from tests.sandbox.zalo.test_templates import order
from tests.support.publications import a_publication


async def test_the_page_shows_what_a_follower_sees(sandbox_client):
    stage = sandbox_client.stage
    body = "Lương <script>alert(1)</script> & thưởng"
    await stage.send(a_publication(body=body), "article")
    await stage.send(a_publication(body=body), "broadcast")
    async with sandbox_client.http.get("/") as answer:
        html = await answer.text()
    assert html.count("Lịch nghỉ Tết Nguyên đán năm 2027") == 2
    assert "đang hiển thị" in html
    assert "Zalo đang xếp hàng gửi" in html
    assert "<script>" not in html
    assert "&amp; thưởng" in html
    assert "12:00 15/01/2027" in html


async def test_an_empty_page_says_so(sandbox_client):
    async with sandbox_client.http.get("/") as answer:
        assert (await answer.text()).count("Chưa có") == 2


async def see(zalo, path="/", **query):
    async with zalo.http.get(path, params=query) as answer:
        return answer.status, await answer.text()


async def test_each_person_has_a_page_with_what_they_see(sandbox_client):
    stage = sandbox_client.stage
    await stage.send(a_publication(), "article")
    binh = await sandbox_client.person(name="Trần Thị Bình", phone="84912345678")
    other = await sandbox_client.person(name="Lê Văn Cường")
    await stage.send(a_publication(), "broadcast")
    await sandbox_client.later(minutes=30)
    await sandbox_client.act(binh, "write", text="Hồ sơ của tôi <b>đâu</b>?")
    reply = sandbox_client.message(binh, text="Đang xử lý & sắp xong")
    await sandbox_client.post("/v2.0/oa/message", reply)
    news = (await sandbox_client.said("/message/template", order()))["data"]["msg_id"]
    await sandbox_client.settle()
    await sandbox_client.act(binh, "feedback", message_id=news, rate=4, note="Nhanh")
    _, overview = await see(sandbox_client)
    for user_id in (binh, other):
        assert f'href="/?user_id={user_id}"' in overview
    status, hers = await see(sandbox_client, user_id=binh)
    assert status == 200
    for seen in (
        "Lịch nghỉ Tết Nguyên đán năm 2027",
        "Hồ sơ của tôi &lt;b&gt;đâu&lt;/b&gt;?",
        "Đang xử lý &amp; sắp xong",
        "Kính gửi ông/bà Trần Thị Bình. Hồ sơ HS-01 hiện ở trạng thái: Đã tiếp nhận.",
        "Tra cứu hồ sơ",
        "đánh giá 4/5: Nhanh",
    ):
        assert seen in hers
    _, his = await see(sandbox_client, user_id=other)
    assert "Lịch nghỉ Tết" in his
    assert "Hồ sơ" not in his


async def test_who_withdrew_consent_is_marked(sandbox_client):
    user_id = await sandbox_client.person()
    assert "yêu cầu xóa dữ liệu" not in (await see(sandbox_client, user_id=user_id))[1]
    await sandbox_client.act(user_id, "withdraw")
    assert "yêu cầu xóa dữ liệu" in (await see(sandbox_client, user_id=user_id))[1]


async def test_what_has_not_arrived_is_not_seen(sandbox_client):
    off = await sandbox_client.person(online=False)
    await sandbox_client.post("/v2.0/oa/message", sandbox_client.message(off))
    _, page = await see(sandbox_client, user_id=off)
    assert "chưa nhận được tin nào" in page
    assert "điện thoại đang tắt" in page


async def test_attachments_that_people_send_are_shown(sandbox_client):
    user_id = await sandbox_client.person()
    for attachment in ({"type": "sticker"}, {"type": "file", "payload": {"name": "đơn.pdf"}}):
        await sandbox_client.act(
            user_id, "write", sort=attachment["type"], attachments=[attachment]
        )
    _, page = await see(sandbox_client, user_id=user_id)
    assert "Nhãn dán" in page
    assert "Tệp: đơn.pdf" in page


async def test_a_template_to_a_phone_that_nobody_has_is_shown_for_all(sandbox_client):
    assert "84987654321" not in (await see(sandbox_client))[1]
    await sandbox_client.post("/message/template", order(phone="84987654321"))
    _, page = await see(sandbox_client)
    assert "84987654321" in page
    assert "Trạng thái hồ sơ dịch vụ công" in page


async def test_nobody_is_shown_as_such(sandbox_client):
    status, page = await see(sandbox_client, user_id="1")
    assert (status, "Không có người này" in page) == (404, True)


@pytest.mark.parametrize("query", [{}, {"user_id": "1"}])
async def test_the_page_loads_nothing_from_elsewhere(sandbox_client, query):
    await sandbox_client.create(status="show", description="Xem https://cong.example/a")
    async with sandbox_client.http.get("/", params=query) as answer:
        policy, html = answer.headers["Content-Security-Policy"], await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r'(?:src|href)="(?!/)[^"]*"', html) == []
    assert not re.search(r"<script|<style|<img|<iframe| style=| on\w+=", html)
    assert '<html lang="vi">' in html
    assert "width=device-width" in html


async def test_the_style_fits_a_narrow_screen_and_loads_nothing(sandbox_client):
    status, css = await see(sandbox_client, "/style.css")
    assert status == 200
    assert "overflow-wrap: anywhere" in css
    assert not re.search(r"url\(|@import", css)
    widths = re.findall(r"(?<![\w-])(?:min-)?width: *(\d+)", css)
    assert widths == [], "nothing has a width of its own"
