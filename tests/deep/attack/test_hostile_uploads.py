"""500 hostile uploads: refused by name or harmless, and nothing of them runs in a browser."""

import re
from functools import partial

import pytest

from channels.portal.http.file_app import portal_app
from channels.portal.storage.uploads import UploadFiles
from consumers.uploads import service
from consumers.uploads.file_checks import CheckedFile
from consumers.uploads.file_checks.kinds import check_content
from consumers.uploads.portal import PublicUploads
from contracts.desk.uploads import MEDIA_TYPES, parse_address
from tests.support.desk_app import COOKIE
from tests.support.desk_uploads import JSON, OFFICER, send
from tests.support.hostile_uploads import hostile_files
from tests.support.signup_app import serve_app

SAFE_NAME = re.compile(r"[\w.-]{1,245}")
VISITED = 40
"""Of the files that are kept; the others are tried as scripts, styles and frames alone."""


def check_here(source) -> CheckedFile:
    """The same check in this process: 500 processes would take minutes."""
    drawn = source.with_suffix(".drawn")
    ending = check_content(source.read_bytes(), drawn)
    return CheckedFile(drawn if drawn.exists() else source, ending)


@pytest.fixture
async def kept(desk, monkeypatch):
    """The addresses of the hostile files that were kept, with a browser that may see them."""
    monkeypatch.setattr(service, "check_file", check_here)
    kept, refusals = {}, set()
    async with desk.signed_in("an", OFFICER) as browser:
        for number, one in enumerate(hostile_files()):
            answer = await send(browser, one.content, one.name, JSON)
            assert answer.status_code in (201, 422), (number, one.name, answer.text)
            if answer.status_code == 201:
                kept[answer.json()["path"]] = answer.json()
            else:
                assert answer.json()["error"], number
                refusals.add(answer.json()["error"])
    assert len(refusals) > 15 and 10 < len(kept) < 300, (len(refusals), len(kept))
    return kept


@pytest.mark.timeout(300)
async def test_500_hostile_files_are_refused_by_name_or_harmless(desk, kept, browser, tmp_path):
    addresses = []
    for told in kept.values():
        assert SAFE_NAME.fullmatch(told["name"]), told["name"]
        address = parse_address(told["path"].split("/")[2], told["name"])
        assert address and told["media_type"] in MEDIA_TYPES.values()
        addresses.append(address)
    await UploadFiles(tmp_path, PublicUploads(desk.bus)).place(addresses)
    served = [p for p in (tmp_path / "public").rglob("*") if p.is_file()]
    assert {p.parent.parent for p in served} == {tmp_path / "public" / "tep"}
    (tmp_path / "public" / "index.html").write_text("<!doctype html>\n")
    async with serve_app(portal_app(tmp_path)) as portal, serve_app(desk.app) as own:
        cookie = {"name": COOKIE, "value": await desk.session_of("an"), "url": own}
        cookie |= {"secure": False, "name": COOKIE.removeprefix("__Host-")}
        with browser.tab() as tab:
            paths = [one.path for one in addresses]
            seen = await tab.run(partial(visited, roots=[portal, own], paths=paths[:VISITED]))
            assert seen == []
            assert await tab.run(partial(included, root=portal, paths=paths)) == []


async def visited(page, roots, paths) -> list[str]:
    """What ran of files that a person opens by their address."""
    wrong = watch(page)
    for root in roots:
        for path in paths:
            try:
                await page.goto(root + path)
            except Exception as error:  # noqa: BLE001 -- a file that is saved is no page
                assert "Download is starting" in str(error) or "ERR_ABORTED" in str(error)
                continue
            if await page.title() == "PWNED":
                wrong.append(path)
    return wrong


async def included(page, root, paths) -> list[str]:
    """What ran of files that a page of another place names as its scripts, styles or frames."""
    wrong = watch(page)
    await page.goto("about:blank")
    wrong += await page.evaluate(
        """async urls => {
            const ran = [];
            const add = (name, key, url) => new Promise(done => {
                const one = document.createElement(name);
                if (name === 'link') one.rel = 'stylesheet';
                one.onload = () => { if (name !== 'iframe') ran.push(`${name} ${url}`); done(); };
                one.onerror = done;
                setTimeout(done, 3000);
                one[key] = url;
                document.documentElement.append(one);
            });
            await Promise.all(urls.flatMap(url => [
                add('script', 'src', url), add('link', 'href', url)]));
            return document.title === 'PWNED' ? [...ran, 'title'] : ran;
        }""",
        [root + path for path in paths],
    )
    return wrong


def watch(page) -> list[str]:
    """Dialogs, and requests that only a script of a hostile file makes, as they come."""
    wrong: list[str] = []

    async def dismissed(dialog) -> None:
        wrong.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    page.on("dialog", dismissed)
    page.on("request", lambda one: wrong.append(one.url) if "/pwned" in one.url else None)
    return wrong
