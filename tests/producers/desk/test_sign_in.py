"""Signing in and out over HTTP: one answer for every failure, a new session, and its end."""

SIGN_IN = "/dang-nhap"


async def test_password_and_code_open_a_session_and_the_start_page_says_who_one_is(desk):
    await desk.active("an", "lanh-dao-duyet")
    async with desk.browser() as browser:
        assert (await browser.get("/")).headers["location"] == SIGN_IN
        answer = await desk.press_sign_in(browser, "an")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        start = (await browser.get("/")).text
    for told in ("Lê Văn Tám", "van-phong-bo", "Lãnh đạo duyệt", "cần hai người"):
        assert told in start
    assert 'href="/nhan-su"' not in start
