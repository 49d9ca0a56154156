"""Content negotiation: one address for all formats of a feed."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from channels.portal.http.file_app import portal_app
from channels.portal.http.negotiation import OFFERED_TYPES, accepted_formats
from tests.support.portal_dir import http_client, public_files, publish
from tests.support.processor_time import at_most
from tests.support.publications import a_publication

ADDRESS = "/nguon-tin/tat-ca"
LONGEST_HEAD = 64 << 10
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "kinds"),
    [
        ("", ["atom", "rss", "json", "html"]),
        ("*/*", ["atom", "rss", "json", "html"]),
        (BROWSER, ["html", "atom", "rss", "json"]),
        ("application/rss+xml", ["rss"]),
        ("application/feed+json, application/json", ["json"]),
        ("application/json", ["json"]),
        ("APPLICATION/RSS+XML;Q=0.5, application/atom+xml; q=0.4", ["rss", "atom"]),
        ("application/*;q=0.2, application/rss+xml", ["rss", "atom", "json"]),
        ("application/atom+xml;q=0, */*;q=0.1", ["rss", "json", "html"]),
        ("application/rss+xml;q=1.9", ["rss"]),
        ("application/rss+xml;level=1;q=0.3, text/html;q=0.2", ["rss", "html"]),
        ("image/png", []),
        ("nonsense", []),
    ],
)
def test_the_form_that_is_wanted_most_comes_first(accept, kinds):
    assert accepted_formats(accept) == kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    publish(folder, a_publication())
    return folder


@pytest.fixture
async def client(folder):
    app = Starlette(routes=[Mount("/cong", portal_app(folder)), Mount("/", portal_app(folder))])
    async with http_client(app) as client:
        yield client


@pytest.mark.parametrize("root", ["", "/cong"])
@pytest.mark.parametrize("media_type", OFFERED_TYPES)
async def test_readers_get_the_form_they_ask_for_and_its_address(client, folder, media_type, root):
    answer = await client.get(root + ADDRESS, headers={"Accept": media_type})
    kind = OFFERED_TYPES[media_type]
    path = "/muc/tat-ca/" if kind == "html" else f"{ADDRESS}.{kind}"
    assert answer.status_code == 200
    assert answer.headers["content-location"] == root + path
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    file = f"{path[1:]}index.html" if kind == "html" else path[1:]
    assert answer.content == public_files(folder)[file]
    asked = {"Accept": media_type, "If-None-Match": answer.headers["etag"]}
    unchanged = await client.get(root + ADDRESS, headers=asked)
    assert unchanged.status_code == 304 and unchanged.content == b""
    for name in ("content-location", "vary", "etag", "cache-control"):
        assert unchanged.headers[name] == answer.headers[name]


async def test_who_wants_none_of_them_gets_atom(client):
    answer = await client.get(ADDRESS, headers={"Accept": "image/png"})
    assert answer.headers["content-location"] == f"{ADDRESS}.atom"


@pytest.mark.parametrize("path", ["/nguon-tin/khong-co", "/nguon-tin/tat-ca/2031-01", "/muc"])
async def test_other_addresses_have_one_form(client, path):
    answer = await client.get(path, headers={"Accept": "application/rss+xml"})
    assert "content-location" not in answer.headers
    assert answer.status_code == (200 if path == "/muc" else 404)


async def test_an_address_with_a_suffix_has_one_form(client):
    answer = await client.get(f"{ADDRESS}.rss", headers={"Accept": "application/atom+xml"})
    assert answer.headers["content-type"].startswith("application/rss+xml")
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("unit", ["a", "a/", "*/*;", "*/*;q=1,", "a,", ";", " ", "/"])
def test_a_long_header_is_read_in_a_moment(unit):
    """A head may have 64 KB; work that grows with its square would hold up every other client."""
    with at_most(2):
        accepted_formats(unit * (LONGEST_HEAD // len(unit)))
