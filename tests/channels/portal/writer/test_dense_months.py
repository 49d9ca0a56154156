"""A month with many items: its page and its site map are cut into parts, and old links stay."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from channels.portal.index.listings import PART_LIMITS
from channels.portal.model.page_sets import PageKind, page_set_at
from channels.portal.render import site_files as rendering
from channels.portal.writer import writer
from channels.portal.writer.audit import FolderAudit
from tests.support import portal_dir
from tests.support.portal_dir import (
    PUBLIC_URL,
    page,
    public_files,
    publish,
    rebuild,
    site_files,
    words_with,
)
from tests.support.portal_log import drawn_log
from tests.support.publications import numbered_publication

PAGE, MAP = 3, 5
MONTH = datetime(2026, 3, 1, tzinfo=UTC)
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setitem(PART_LIMITS, PageKind.MONTH, PAGE)
    monkeypatch.setitem(PART_LIMITS, PageKind.SITEMAP, MAP)


def items(count, begin=MONTH, first=0):
    times = {number: begin + timedelta(hours=number) for number in range(first, first + count)}
    return [
        numbered_publication(number, first_released_at=at, released_at=at)
        for number, at in times.items()
    ]


def neighbour(folder, path, kind):
    """The page that *path* links as the one with older or newer items; empty for none."""
    found = page(folder, path).xpath(f"//nav/a[@class='{kind}']/@href")
    return found[0].strip("/") if found else ""


def chain(folder, path, kind="older"):
    """Pages from *path* on, each linked by the one before."""
    found = []
    while path:
        found.append(path)
        path = neighbour(folder, path, kind)
    return found


def named_by(folder, path):
    links = page(folder, path).xpath("//main//ul//a/@href")
    return [link.rpartition("/")[2] for link in links if link.startswith("/tin/")]


@pytest.mark.parametrize("count", [1, 5, 6, 8, 9, 14])
def test_readers_who_follow_the_links_find_every_item_once_newest_first(tmp_path, count):
    publish(tmp_path, *items(2, MONTH - timedelta(days=20), 50), *items(count))
    pages = chain(tmp_path, "muc/tat-ca/2026/03")
    found = [name for path in pages for name in named_by(tmp_path, path)]
    newest = [f"tin-{number}" for number in range(count - 1, -1, -1)]
    assert found == [*newest, "tin-51", "tin-50"]
    assert all(len(named_by(tmp_path, path)) < 2 * PAGE for path in pages)
    assert pages[-1] == "muc/tat-ca/2026/02"
    assert chain(tmp_path, pages[-2], "newer") == pages[-2::-1]
    assert neighbour(tmp_path, pages[-1], "newer") == pages[0]


def test_the_address_of_a_month_stays_and_has_its_newest_items(tmp_path):
    publish(tmp_path, *items(14))
    assert named_by(tmp_path, "muc/tat-ca/2026/03") == [f"tin-{n}" for n in (13, 12, 11, 10, 9)]
    assert named_by(tmp_path, "muc/tat-ca/2026/03/1") == ["tin-2", "tin-1", "tin-0"]
    heading = page(tmp_path, "muc/tat-ca/2026/03/1").xpath("string(//h1)")
    assert heading == "Tất cả tin Tháng 3/2026, phần 1"


def named_maps(folder):
    index = etree.fromstring((folder / "public/sitemap.xml").read_bytes())
    return [loc.text.removeprefix(f"{PUBLIC_URL}/") for loc in index.iter(SITEMAP)]


def test_the_site_maps_name_every_item_once_in_files_of_bounded_size(tmp_path):
    publish(tmp_path, *items(23))
    files = public_files(tmp_path)
    maps = [path for path in named_maps(tmp_path) if "trang" not in path]
    assert maps == ["so-do/2026-03.xml", *(f"so-do/2026-03-{part}.xml" for part in (3, 2, 1))]
    named = [[loc.text for loc in etree.fromstring(files[one]).iter(SITEMAP)] for one in maps]
    assert all(len(urls) < 2 * MAP for urls in named)
    assert [url for urls in named for url in urls] == [
        f"{PUBLIC_URL}/tin/tin-{number}" for number in range(22, -1, -1)
    ]


def withdrawn(item):
    return item.model_copy(update={"action": "withdrawn", "revision": 2, "reason": "Nhầm."})


def test_a_part_whose_items_were_all_withdrawn_says_so(tmp_path):
    shown = items(8)
    publish(tmp_path, *shown, *map(withdrawn, shown[:PAGE]))
    text = page(tmp_path, "muc/tat-ca/2026/03/1").xpath("string(//p[@class='empty'])")
    assert text == "Các tin của phần này đã được gỡ."


def times_staged(staged, wanted):
    return [path for path, _ in staged].count(wanted)


def test_a_closed_part_is_written_until_it_links_to_the_next(tmp_path, staged):
    part = "muc/tat-ca/2026/03/1/index.html"
    publish(tmp_path, *items(8))
    written = times_staged(staged, part)
    publish(tmp_path, items(9)[8])
    assert times_staged(staged, part) == written + 1, "it links to the part after it"
    publish(tmp_path, *items(20)[9:])
    assert times_staged(staged, part) == written + 1


def publish_before(folder, shown, *, page=PAGE, sitemap=MAP):
    """Publish with an earlier Loa, whose parts have these sizes."""
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setitem(PART_LIMITS, PageKind.MONTH, page)
        earlier.setitem(PART_LIMITS, PageKind.SITEMAP, sitemap)
        earlier.setattr(rendering, "_FORMAT_VERSION", 0)
        earlier.setattr(portal_dir, "_SITES", {})
        publish(folder, *shown)


def month_files(folder):
    """The pages and site maps of months."""
    found = ((path, body, page_set_at(path)) for path, body in public_files(folder).items())
    return {path: body for path, body, at in found if at and at.kind in PART_LIMITS}


@pytest.fixture
def _no_time(monkeypatch):
    """Writers that have no time for files of an earlier format."""
    monkeypatch.setattr(writer, "first_chunks", lambda _pending, _limit: ())


@pytest.mark.usefixtures("_no_time")
@pytest.mark.parametrize("is_rebuilt", [False, True])
@pytest.mark.parametrize("page", [PAGE + 4, 1000])
def test_parts_of_new_sizes_are_there_before_an_item_changes(tmp_path, page, is_rebuilt):
    shown = items(23)
    publish_before(tmp_path, shown, page=page, sitemap=1000)
    if is_rebuilt:
        rebuild(tmp_path, shown)
    publish(tmp_path, withdrawn(shown[0]))
    rebuild(tmp_path / "anew", [*shown, withdrawn(shown[0])])
    wanted, found = month_files(tmp_path / "anew"), month_files(tmp_path)
    assert len(wanted) > 20
    assert {path: found.get(path) for path in wanted} == wanted
    assert all((tmp_path / "public" / path).exists() for path in named_maps(tmp_path))


@pytest.mark.usefixtures("_no_time")
@pytest.mark.parametrize("begin", [publish, lambda folder: rebuild(folder, items(23))])
def test_parts_of_the_same_sizes_are_written_when_there_is_time(tmp_path, staged, begin):
    publish_before(tmp_path, items(23))
    staged.clear()
    begin(tmp_path)
    assert not [path for path, _ in staged if (at := page_set_at(path)) and at.part]


@pytest.mark.parametrize("seed", range(3))
def test_item_by_item_and_made_at_once_the_bytes_are_the_same(tmp_path, seed):
    words = words_with("lich-nghi-le", "viec-lam", "dinh-chinh")
    log = drawn_log(60, words, seed)
    publish(tmp_path / "step", *log, words=words)
    check(tmp_path / "step", log, tmp_path / "once", words)
    pages = [path for path in public_files(tmp_path / "step") if path.startswith("muc/")]
    assert any(len(path.split("/")) == 6 for path in pages)


def check(shown, log, anew, words):
    rebuild(anew, log, words)
    assert public_files(shown) == public_files(anew)
    audit = FolderAudit(shown, site_files(words=words))
    with closing(audit.open_snapshot()) as snapshot:
        assert list(audit.find_problems(snapshot)) == []
