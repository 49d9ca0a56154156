"""A page of another site is told from a program and from a link that a person follows."""

import httpx2
import pytest

from contracts.base.fetch_metadata import is_cross_site_request

HOST = {"Host": "127.0.0.1:8090"}
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.parametrize(
    ("headers", "is_cross_site"),
    [
        ({}, False),
        ({"Origin": "http://127.0.0.1:8090", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"}, False),
        (LINK, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "http://127.0.0.1:9999"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        (LINK | {"Sec-Fetch-Dest": "iframe"}, True),
        (LINK | {"Sec-Fetch-Dest": "empty"}, True),
        (LINK | {"Origin": "http://evil.example"}, True),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Dest": "image"}, True),
        ({"Sec-Fetch-Site": "anything-new"}, True),
    ],
)
def test_only_a_page_of_another_site_is_told_off(headers, is_cross_site):
    assert is_cross_site_request(httpx2.Headers(HOST | headers)) is is_cross_site
