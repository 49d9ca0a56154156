"""The desk of a real Loa: its own port, its cookie, and what disabling an account ends."""

import httpx2
import pytest

from tests.support.desk_http import activate, desk_browser
from tests.support.loa_process import LoaProcess
from tests.support.staff import PASSWORD


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path, CANARY_EVERY_S=0) as loa:
        yield loa


@pytest.fixture
def browser(loa):
    with desk_browser(loa.ready().desk) as browser:
        yield browser


@pytest.mark.promise("15.2")
def test_disabling_on_the_command_line_ends_a_session_at_the_desk_at_once(loa, browser):
    activate(loa, browser, "an")
    assert "Lê Văn Tám" in browser.get("/").text
    assert "Lê Văn Tám" in browser.get("/nhan-su").text
    assert loa.cli("staff", "disable", "an").exit_code == 0
    assert browser.get("/").headers["location"] == "/dang-nhap"
    assert loa.stop() == 0
    text = loa.log()
    assert not any(secret in text for secret in (PASSWORD, *browser.cookies.values()))


def test_a_session_outlives_a_restart_of_the_desk(loa, browser):
    """Sessions are on the bus: a kill ends none, and no copy of one in memory decides."""
    activate(loa, browser, "an")
    loa.kill()
    url = loa.start().desk
    with httpx2.Client(base_url=url, cookies=browser.cookies, timeout=60) as again:
        assert "Lê Văn Tám" in again.get("/").text


@pytest.mark.promise("15.1")
def test_the_public_port_knows_no_desk_and_the_desk_nothing_else(loa, browser):
    activate(loa, browser, "an")
    ready = loa.ready()
    assert ready.desk.startswith("http://127.0.0.1:") and ready.desk != ready.url
    with httpx2.Client(base_url=ready.url, cookies=browser.cookies, timeout=60) as public:
        for path in ("/dang-nhap", "/nhan-su", "/tai-khoan", "/de-nghi"):
            assert public.get(path).status_code in (404, 503), path
        assert "Lê Văn Tám" not in public.get("/").text
    for path in ("/v1/events", "/livez", "/hop-thu-thu", "/dang-ky", "/docs", "/zalo/webhook"):
        assert browser.get(path).status_code == 404, path
