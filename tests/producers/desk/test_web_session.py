"""The desk's cookie, and forged requests."""

import pytest
from starlette.responses import Response

from producers.desk.web_session import SessionCookie, form_seal, is_own_request, is_sealed

KEY, ORIGIN = b"k" * 32, "https://ban-duyet.example.gov.vn"
OWN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


def set_cookie(is_https: bool, act: str, *values: str) -> set[str]:
    """The parts of the header with which the cookie is set or removed."""
    response = Response()
    getattr(SessionCookie(is_https), act)(response, *values)
    return set(response.headers["set-cookie"].split("; "))


def test_the_cookie_is_for_this_host_https_and_no_script():
    traits = {"Path=/", "SameSite=strict", "Secure", "HttpOnly"}
    assert set_cookie(True, "set", "t") == {"__Host-loa-desk=t", *traits}
    assert set_cookie(True, "remove") >= {'__Host-loa-desk=""', "Max-Age=0", *traits}


def test_on_loopback_the_cookie_lacks_what_plain_http_forbids():
    assert set_cookie(False, "set", "t") == {"loa-desk=t", "Path=/", "SameSite=strict", "HttpOnly"}


def test_a_seal_is_of_one_session_one_action_and_one_key():
    seal = form_seal(KEY, "token", "approve")
    assert is_sealed(KEY, "token", "approve", seal)
    forged = [
        (KEY, "other", "approve", seal),
        (KEY, "token", "reject", seal),
        (b"x" * 32, "token", "approve", seal),
        (KEY, "token", "approve", ""),
        (KEY, "token", "approve", seal.upper()),
        (KEY, "token", "approve", "ký"),
        (KEY, "", "approve", form_seal(KEY, "", "approve")),
        (KEY, "token\x00", "approve", form_seal(KEY, "token", "approve")),
    ]
    assert [one for one in forged if is_sealed(*one)] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": ORIGIN},
        {"sec-fetch-site": "same-origin"},
        OWN | {"origin": "null"},
        OWN | {"origin": "https://evil.example"},
        OWN | {"origin": ORIGIN + ".evil.example"},
        OWN | {"origin": ORIGIN.replace("https", "http")},
        OWN | {"sec-fetch-site": "same-site"},
        OWN | {"sec-fetch-site": "cross-site"},
        OWN | {"sec-fetch-site": "none"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "post", "PURGE"])
def test_a_changing_request_of_another_page_is_refused(method, headers):
    assert not is_own_request(method, headers, ORIGIN)


def test_own_forms_and_reading_requests_pass():
    assert is_own_request("POST", OWN, ORIGIN)
    assert is_own_request("GET", {"origin": "https://evil.example"}, ORIGIN)
