"""After a change of format all files are rewritten, some at a time."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from channels.portal.render.site_files import SiteFiles
from channels.portal.writer.writer import PortalWriter
from contracts.catalog import load_texts
from design import assets, frame
from design.settings import SiteIdentity
from tests.support.portal_dir import (
    PORTAL_SITE,
    PUBLIC_URL,
    never_expired,
    new_writer,
    open_portal,
    public_files,
    publish,
    send_to,
)
from tests.support.publications import a_publication
from tests.support.site_identity import SAID

FIRST = a_publication()
ITEM = "tin/lich-nghi-tet-2027/index.html"
DESIGN = Path(frame.__file__).parent
CHANGES = {
    "a style sheet": ("styles/base.css", "margin: 0;", "margin: 1px;"),
    "the emblem": ("static/emblem.svg", "<svg", "<svg id='x'"),
    "the icon": ("static/favicon.svg", "<svg", "<svg id='x'"),
    "the frame": ("templates/page.html", "<body>", "<body id='x'>"),
    "a text of the frame": ("texts.toml", 'skip = "', 'skip = "x'),
}


@pytest.fixture
def design(tmp_path, monkeypatch):
    """A copy of the design's files, to be changed as a new version of Loa changes them."""
    copy = shutil.copytree(DESIGN, tmp_path / "design", ignore=shutil.ignore_patterns("*.py*"))
    for module in (assets, frame):
        monkeypatch.setattr(module, "_FOLDER", copy)
    yield copy
    forget_files()


def forget_files():
    """Read the design's files again, as a process that has just started."""
    for read in (assets.stylesheet, assets.emblem, assets.icon, load_texts):
        read.cache_clear()


def start(folder, **identity):
    """Start a writer as a new process, which makes the folder ready; return the public files."""
    forget_files()
    site = replace(PORTAL_SITE, identity=SiteIdentity(**identity))
    with closing(PortalWriter(folder, SiteFiles(site), lock_timeout_s=5.0)) as writer:
        writer.prepare()
        writer.show(FIRST, never_expired)
    return public_files(folder)


def check_drawn_anew(before, after):
    """Every page is another one, and no feed is."""
    changed = {path for path in after if after[path] != before.get(path)}
    assert ITEM in changed and {path for path in after if path.endswith(".html")} <= changed
    assert not [path for path in changed if path.endswith((".rss", ".atom", ".json"))]


@pytest.mark.parametrize("what", CHANGES)
def test_another_design_has_every_page_drawn_anew_and_no_feed(tmp_path, design, what):
    before, (name, old, new) = start(tmp_path), CHANGES[what]
    text = (design / name).read_text("utf-8")
    (design / name).write_text(text.replace(old, new), "utf-8")
    check_drawn_anew(before, start(tmp_path))


def test_the_operators_emblem_may_change_under_its_name(tmp_path, design):
    emblem = tmp_path / "quoc-huy.svg"
    shutil.copy(DESIGN / "static/emblem.svg", emblem)
    before = start(tmp_path, emblem_file=emblem)
    emblem.write_bytes(emblem.read_bytes() + b"\n")
    check_drawn_anew(before, start(tmp_path, emblem_file=emblem))


def test_what_the_ministry_says_of_itself_is_on_every_page_at_once(tmp_path, design):
    check_drawn_anew(start(tmp_path), start(tmp_path, **SAID))


def test_another_public_address_has_everything_written_again(tmp_path):
    publish(tmp_path / "moved", FIRST, url="http://127.0.0.1:8080")
    new_writer(tmp_path / "moved").close()
    publish(tmp_path / "clean", FIRST)
    assert public_files(tmp_path / "moved") == public_files(tmp_path / "clean")


async def test_a_folder_that_was_emptied_is_written_again_while_loa_runs(tmp_path):
    async with open_portal(tmp_path) as channel:
        await send_to(channel, FIRST)
        before = public_files(tmp_path)
        shutil.rmtree(tmp_path / "public")
        with capture_logs() as log:
            await channel.rewrite_stale(pause_s=0)
    assert public_files(tmp_path) == before
    assert [one["items"] for one in log if one["event"] == "portal_files_lost"] == [1]


async def test_an_address_under_which_nothing_was_published_is_warned_of(tmp_path):
    publish(tmp_path, FIRST, url="http://127.0.0.1:8080")
    with capture_logs() as log:
        new_writer(tmp_path).close()
        new_writer(tmp_path).close()
    [said] = [one for one in log if one["event"] == "portal_address_changed"]
    assert (said["before"], said["now"], said["items"]) == ("http://127.0.0.1:8080", PUBLIC_URL, 1)


async def test_nothing_is_renewed_where_there_is_no_portal(tmp_path):
    async with open_portal(tmp_path) as channel:
        await channel.rewrite_stale()
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "state" / "aside").mkdir(parents=True)
        await channel.rewrite_stale()
    assert not (tmp_path / "public").exists()
