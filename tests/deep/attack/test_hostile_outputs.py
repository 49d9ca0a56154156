"""Hostile text stays text in feeds, at the desk, in the stand-ins, and in refusals."""

import json
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote

import httpx2
import lxml.html
from lxml import etree

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.devmailbox.web import mailbox_app
from consumers.staff.accounts import NewAccount
from producers.desk import create_desk
from tests.consumers.app.test_every_route import all_apps
from tests.support.desk_app import DESK_URL, DeskApp
from tests.support.hostile_portal import ITEMS, LINES, PRESS, TEXTS
from tests.support.hostile_text import XSS
from tests.support.html_shape import MARKDOWN, MARKDOWN_ATTRIBUTES, faults, shape
from tests.support.publications import a_publication

LEAST = 300
MANAGER = "quan-tri-tai-khoan"
SAFE_TYPES = ("application/json", "application/problem+json", "text/plain", "text/css")
ROOT = b"<rss xmlns:dc='d' xmlns:content='c' xmlns:atom='a'>%b</rss>"
CONTENT = {"{c}encoded", "{http://www.w3.org/2005/Atom}content", "content"}
HEADERS_OF_MAILS = ("From", "To", "Subject", "Message-ID", "In-Reply-To", "List-Id")


def lines(count=LEAST, longest=150):
    found = [line for line in LINES if len(line) <= longest]
    assert len(found) >= count
    return found


# --- feeds


def xml_shape(fragment):
    """Elements with the names of their attributes, and the texts that readers take for HTML."""
    elements = [one for one in etree.fromstring(fragment).iter() if isinstance(one.tag, str)]
    texts = [one.text or "" for one in elements if one.tag in CONTENT]
    return {(one.tag, *sorted(one.attrib)) for one in elements}, texts


def test_no_feed_holds_more_than_its_own_elements_and_what_an_author_may_write():
    harmless = PRESS.fragments(PRESS.to_stored_item(ITEMS[0].model_copy(update=vars(plain()))))
    known = [xml_shape(ROOT % harmless.rss)[0], xml_shape(harmless.atom)[0]]
    elements, attributes = shape(json.loads(harmless.json)["content_html"])
    allowed, found = (elements | MARKDOWN, attributes | MARKDOWN_ATTRIBUTES), []
    for item in ITEMS:
        made = PRESS.fragments(PRESS.to_stored_item(item))
        for number, fragment in enumerate((ROOT % made.rss, made.atom)):
            elements, htmls = xml_shape(fragment)
            found += [(item.content_id, one) for one in elements - known[number]]
            found += [one for html in htmls for one in faults(html or "<p>", allowed)]
        entry = json.loads(made.json)
        assert entry["title"] and not isinstance(entry["title"], dict)
        found += faults(entry["content_html"] or "<p>", allowed)
    assert len(ITEMS) >= LEAST
    assert not found, f"{len(found)} hits: {found[:3]}"


def plain():
    """The fields of an item that has all of them, and nothing hostile."""
    return a_publication(
        content_id="tin-0", action="corrected", revision=2, reason="a", author="a",
        body="![a](/a.png)\n\n| a |\n| - |\n| b |",
        cover={"url": "https://moha.gov.vn/a.jpg", "alt": "a"},
        links=[{"url": "https://moha.gov.vn/", "title": "a"}],
        attachments=[{"url": "https://moha.gov.vn/", "title": "a"}],
    )  # fmt: skip


# --- the desk


@asynccontextmanager
async def desk_of(bus, clock, login, units, people=()):
    """A desk whose units and waiting people have these names, and an account manager's browser."""
    app = DeskApp(bus, clock)

    async def waiting_people():
        return people

    oidc = SimpleNamespace(waiting_people=waiting_people, can_step_up=False)
    app.app = create_desk(replace(app.services, unit_names=units, oidc=oidc), DESK_URL)
    async with app.signed_in(login, MANAGER) as browser:
        yield app, browser


def waiting_person(name):
    at = datetime(2027, 1, 15, tzinfo=UTC)
    return SimpleNamespace(name=name, subject=name, login=name, issuer=name, last_seen=at)


async def assert_harmless_desk(browser, path, known, shown):
    """The page has no more than *known*, and shows each of the texts."""
    answer = await browser.get(path)
    page = lxml.html.document_fromstring(answer.text)
    assert answer.status_code == 200
    assert not faults(answer.text, known), path
    seen = " ".join(page.text_content().split()) + " ".join(page.xpath("//@value"))
    missing = [one for one in shown if " ".join(one.split()) not in " ".join(seen.split())]
    assert not missing, (path, missing[:3])


async def test_names_of_units_accounts_and_waiting_people_stay_text_at_the_desk(bus, clock):
    hostile = lines()
    pages = ("/nhan-su", "/nhan-su/them", "/don-vi/them", "/dinh-danh", "/de-nghi")
    async with desk_of(bus, clock, "mot", {"van-phong-bo": "a"}, [waiting_person("a")]) as (
        app,
        browser,
    ):
        await propose(app, browser, "a", "ba")
        known = {path: shape((await browser.get(path)).text) for path in pages}
    units = {f"don-vi-{number}": line for number, line in enumerate(hostile)}
    people = [waiting_person(line) for line in hostile]
    async with desk_of(bus, clock, "hai", units, people[:40]) as (app, browser):
        for number, line in enumerate(hostile):
            wanted = NewAccount(login=f"ai-{number}", name=line, unit="van-phong-bo", grants=())
            await app.accounts.add(wanted, by="test")
        for number, line in enumerate(hostile[:60]):
            await propose(app, browser, line, f"de-nghi-{number}")
        await assert_harmless_desk(browser, "/nhan-su", known["/nhan-su"], hostile)
        await assert_harmless_desk(browser, "/don-vi/them", known["/don-vi/them"], hostile)
        await assert_harmless_desk(browser, "/nhan-su/them", known["/nhan-su/them"], hostile)
        await assert_harmless_desk(browser, "/dinh-danh", known["/dinh-danh"], hostile[:40])
        await assert_harmless_desk(browser, "/de-nghi", known["/de-nghi"], hostile[:60])


async def propose(app, browser, name, login):
    """One manager's proposal of an account, as the page of proposals shows it."""
    own = await app.desk.find(browser.token)
    fields = {"login": login, "name": name, "unit": "van-phong-bo", "roles": ["bien-tap-vien"]}
    await own.submit({"do": "staff.add", **fields})


async def test_what_the_desk_s_forms_show_again_stays_text(bus, clock):
    app, found, shown = DeskApp(bus, clock), [], 0
    async with app.browser() as browser:
        known = shape((await app.press_sign_in(browser, "khong-co")).text)
        for line in lines():
            clock.advance(3600)
            answer = await app.press_sign_in(browser, line)
            assert answer.status_code < 500
            shown += line in lxml.html.document_fromstring(answer.text).xpath("//@value")
            found += faults(answer.text, known)
    assert shown > LEAST / 2 and not found, (shown, found[:3])


# --- the stand-ins


def hostile_mail(line, body):
    head = "".join(f"{name}: {line}\r\n" for name in HEADERS_OF_MAILS)
    part = "--b\r\nContent-Type: text/{}; charset=utf-8\r\n\r\n{}\r\n"
    parts = part.format("plain", body) + part.format("html", body)
    kind = 'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    return f"{head}{kind}{parts}--b--\r\n".encode()


async def test_mails_stay_text_in_the_mailbox_and_their_html_has_no_rights(tmp_path):
    folder, found = MailFolder(tmp_path), []
    transport = httpx2.ASGITransport(mailbox_app(folder))
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as browser:
        plain_mail = folder.store("a@b.vn", ["c@d.vn"], hostile_mail("a", "a"))
        known_list = shape((await browser.get("/hop-thu-thu")).text)
        known = shape((await browser.get(f"/hop-thu-thu/{plain_mail.name}")).text)
        for number, body in enumerate(TEXTS):
            mail = folder.store("a@b.vn", ["c@d.vn"], hostile_mail(LINES[number], body))
            found += (
                faults((await browser.get("/hop-thu-thu")).text, known_list)
                if number % 40 == 0
                else []
            )
            found += faults((await browser.get(f"/hop-thu-thu/{mail.name}")).text, known)
            for part in ("html", "raw"):
                answer = await browser.get(f"/hop-thu-thu/{mail.name}/{part}")
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy and "sandbox;" in policy
                assert (
                    "script" not in policy and answer.headers["x-content-type-options"] == "nosniff"
                )
    assert len(TEXTS) >= LEAST
    assert not found, f"{len(found)} hits: {found[:3]}"


async def test_people_and_their_messages_stay_text_in_the_sandbox(sandbox_client):
    zalo, found = sandbox_client, []

    async def page(path):
        async with zalo.http.get(path) as answer:
            return await answer.text()

    async def person(number, line):
        user_id = await zalo.person(user_id=str(1000 + number), name=line)
        await zalo.act(user_id, "write", text=line)
        return user_id

    plain_person = await person(0, "a")
    for number in range(30):  # so that a list is folded
        await zalo.person(user_id=str(100 + number), name="a")
    known, known_list = shape(await page(f"/?user_id={plain_person}")), shape(await page("/"))
    for number, line in enumerate(TEXTS, start=1):
        found += faults(await page(f"/?user_id={await person(number, line)}"), known)
        found += faults(await page(f"/?user_id={quote(line)}"), known)
    found += faults(await page("/"), known_list)
    assert len(TEXTS) >= LEAST
    assert not found, f"{len(found)} hits: {found[:3]}"


# --- refusals


async def test_no_refusal_of_any_face_shows_a_path_or_a_query_as_html(bus, clock, tmp_path):
    """Pages by a parser; every other answer has a type that no browser reads as HTML."""
    found, seen = [], 0
    for app, heads in all_apps(bus, clock, tmp_path):
        if "hong" in heads:
            continue
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as browser:
            for head in heads or ("",):
                known = await known_shapes(browser, head)
                for payload in XSS[::2]:
                    name = quote(payload, safe="")
                    for path in (f"/{head}/{name}", f"/{head}?q={name}&trang={name}"):
                        answer = await browser.get(path)
                        seen += 1
                        found += wrong_in(answer, known)
    assert seen > LEAST * 10
    assert not found, f"{seen} answers, {len(found)} hits: {found[:3]}"


async def known_shapes(browser, head):
    """Shapes of the harmless answers below *head*."""
    shapes = (set(), set())
    for path in (
        f"/{head}/khong-co",
        f"/{head}/a/b",
        f"/{head}?q=a",
        f"/{head}?q=a&trang=a",
        f"/{head}?q=",
    ):
        answer = await browser.get(path)
        if answer.headers.get("content-type", "").startswith("text/html") and answer.text:
            for all_of_them, some in zip(shapes, shape(answer.text), strict=True):
                all_of_them.update(some)
    return shapes


BESIDE_DOCS = re.compile(r"(?:href|src)='(?:openapi\.json|docs(?:/[\w-]+\.(?:css|svg))?)'")
"""Addresses of the documentation page, which may stand below any path."""


def wrong_in(answer, known):
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind == "text/html" and answer.text:
        return [one for one in faults(answer.text, known) if not BESIDE_DOCS.fullmatch(one)]
    assert answer.status_code < 500, answer
    return [] if kind in (*SAFE_TYPES, "") else [kind]
