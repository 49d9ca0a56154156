"""The settings for nginx that the portal's README recommends send what our own server sends."""

import re
from itertools import product
from urllib.parse import quote

import httpx2
import pytest

from channels.portal.http.file_app import PORTAL_HEADERS, portal_app
from channels.portal.http.file_cache import CACHE_CONTROL, FEED_CACHE_CONTROL, MEDIA_TYPES
from channels.portal.http.negotiation import OFFERED_TYPES
from channels.portal.model.site import CANARY_PATH, DEFAULT_COVER_PATH
from contracts.desk.uploads import MEDIA_TYPES as UPLOAD_TYPES
from design.frame import URGENT_SHEET
from tests.support import requirements
from tests.support.nginx import MAPS, SERVER, nginx
from tests.support.portal_dir import http_client, publish
from tests.support.publications import a_publication

UPLOADS = [f"tep/{'ab' * 32}/Báo-cáo{ending}" for ending in UPLOAD_TYPES]
_POLICY = "Content-Security-Policy"
PATHS = (
    *("/", "/tin/lich-nghi-tet-2027", "/tin/lich-nghi-tet-2027/", "/tin/rut", "/tin/rut/"),
    *("/nguon-tin/", "/nguon-tin/tat-ca.rss", "/nguon-tin/tat-ca.atom", "/nguon-tin/tat-ca.json"),
    *("/nguon-tin/nguon-tin.opml", "/sitemap.xml", "/robots.txt", "/muc/lich-nghi-le/2026/11/"),
    *("/tai-nguyen/emblem-0a.png", "/tai-nguyen/emblem-0a.webp", DEFAULT_COVER_PATH),
    *("/khong-co", "/tin/khong-co", "/tin", "/404.html", "/anh/0a.jpg", CANARY_PATH),
    URGENT_SHEET,
    *(f"/{quote(path)}" for path in UPLOADS),
)


NEGOTIATED = ("/nguon-tin/tat-ca", "/nguon-tin/khong-co", "/nguon-tin/tat-ca.rss", "/nguon-tin/")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ACCEPTED = ("*/*", BROWSER, *OFFERED_TYPES, "application/rss+xml, text/html;q=0.1")


def sent() -> dict[str, str]:
    return dict(re.findall(r'^ +add_header (\S+) "?(.*?)"? always;$', SERVER, re.M))


def looked_up(name: str, uri: str) -> str:
    """Value that the map called *name* has for *uri*."""
    inside = re.search(rf"map \$uri \${name} {{\n(.*?)^}}", MAPS, re.S | re.M)
    lines = re.findall(r'^ +(\S+) +"?(.*?)"?;$', inside[1], re.M)
    exact = [value for key, value in lines if key == uri]
    fitting = [value for key, value in lines if key[0] == "~" and re.search(key[1:], uri)]
    return next(iter([*exact, *fitting, *(value for key, value in lines if key == "default")]), "")


def test_the_settings_name_every_guard_word_for_word():
    same = {name: value for name, value in PORTAL_HEADERS.items() if name != _POLICY}
    assert same.items() <= sent().items()
    assert sent()[_POLICY] == "$loa_policy"
    assert looked_up("loa_policy", "/") == PORTAL_HEADERS[_POLICY]
    assert sent()["Cache-Control"] == "$loa_lifetime"
    assert sent()["X-Robots-Tag"] == "$loa_robots"


def test_no_place_says_something_of_its_own_and_so_forgets_the_rest():
    """nginx inherits none of them where there is one."""
    assert SERVER.count("add_header") == len(sent())
    (inside,) = re.findall(r"^location / {\n(.*?)^}", SERVER, re.S | re.M)
    assert inside.count("add_header") == len(sent())


@pytest.mark.parametrize("suffix", MEDIA_TYPES)
def test_every_type_may_be_kept_as_long(suffix):
    name = "/tai-nguyen/a" if suffix in (".css", ".svg") else "/a"
    assert looked_up("loa_lifetime", name + suffix) == CACHE_CONTROL.get(suffix, FEED_CACHE_CONTROL)
    assert f"{MEDIA_TYPES[suffix].partition(';')[0]} {suffix[1:]};" in SERVER


def test_single_files_have_lifetimes_of_their_own():
    assert looked_up("loa_lifetime", "/404.html") == "no-cache"
    assert looked_up("loa_lifetime", URGENT_SHEET) == CACHE_CONTROL[".html"]
    for name in ("emblem-0a.png", "emblem-0a.webp", "cover-0a.png"):
        assert looked_up("loa_lifetime", f"/tai-nguyen/{name}") == CACHE_CONTROL[".svg"]
    assert looked_up("loa_lifetime", CANARY_PATH) == "no-store"
    assert looked_up("loa_robots", CANARY_PATH) == "noindex"
    assert looked_up("loa_robots", "/index.html") == ""


@pytest.fixture
def folder(tmp_path):
    gone = a_publication(content_id="rut", action="withdrawn", revision=2, reason="Nhầm")
    publish(tmp_path / "portal", a_publication(), gone)
    emblems = ("tai-nguyen/emblem-0a.png", "tai-nguyen/emblem-0a.webp")
    for path in ("anh/0a.jpg", CANARY_PATH[1:], *emblems, *UPLOADS):
        file = tmp_path / "portal/public" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"<feed/>")
    return tmp_path / "portal"


SPECIAL = (
    *("content-type", "content-disposition", "content-location"),
    *("cache-control", "x-robots-tag", "vary"),
)


async def test_nginx_answers_as_our_own_server_does(tmp_path, folder):
    requirements.nginx()
    with nginx(tmp_path, folder / "public") as url:
        async with (
            http_client(portal_app(folder)) as ours,
            httpx2.AsyncClient(base_url=url, timeout=60) as theirs,
        ):
            for path, accept in (*product(PATHS, ["*/*"]), *product(NEGOTIATED, ACCEPTED)):
                mine = await ours.get(path, headers={"Accept": accept})
                other = await theirs.get(path, headers={"Accept": accept})
                assert told(other) == told(mine), (path, accept)


def told(answer):
    """The status, and each header's values; several lines would be several answers."""
    values = {name: answer.headers.get_list(name) for name in (*SPECIAL, *PORTAL_HEADERS)}
    return answer.status_code, values, answer.content
