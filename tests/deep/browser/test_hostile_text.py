"""Hostile text in a real browser: looked at, touched or asked for, nothing of it runs.

A navigation for each of the pages would take minutes. Lists are visited; the other pages are
written, as they are sent, into frames of a page of the portal, without the policy that would stop a
program as well.
"""

import re

import pytest

from channels.portal.http.search_app import SearchService
from channels.portal.http.search_page import PAGE_SIZE
from channels.portal.model.site import Site
from channels.portal.search.sync import SEARCH_INDEX_FILE
from contracts.vocabulary import DEFAULT
from tests.support.hostile_portal import ITEMS, LINES, TEXTS, hostile_portal
from tests.support.mails import mail_recipient, part, sent_mail
from tests.support.portal_dir import PUBLIC_URL
from tests.support.sample_portal import serve_portal

LISTS = ["/", "/muc/tat-ca/", "/muc/tat-ca/2026/11/", "/muc/dinh-chinh/", "/nguon-tin/"]
HARMLESS = {"document", "stylesheet", "image", "other"}
"""Resources that may be fetched: an author can show a picture; "other" is the page's own icon."""
KNOWN = re.compile('<link rel="(stylesheet|icon)"[^>]*>|<option value="[a-z0-9-]+">[^<"]*</option>')
"""Parts that every page has, and that no outsider influences."""
AT_ONCE = 40
NOBODY = "cuc-viec-lam"
"""A unit without items."""
TOUCH = """
const events = ['pointerenter', 'mouseover', 'focus', 'blur', 'load', 'error', 'toggle', 'begin',
    'animationstart', 'keydown', 'input', 'click'];
const addresses = ['href', 'src', 'action', 'formAction', 'data'];
const quiet = ['http:', 'https:', 'mailto:', 'tel:', 'about:'];
function touch(page) {
    const wrong = [];
    for (const kind of ['click', 'submit'])
        page.defaultView.addEventListener(kind, event => event.preventDefault(), true);
    for (const one of page.querySelectorAll('*')) {
        for (const name of addresses.filter(name => one.getAttribute(name) && one[name])) {
            const address = new URL(one[name], 'https://x.vn');
            if (!quiet.includes(address.protocol)) wrong.push(one.outerHTML);
        }
        for (const kind of events)
            one.dispatchEvent(new Event(kind, {bubbles: true, cancelable: true}));
    }
    return wrong;
}"""
HERE = f"() => {{ {TOUCH} return touch(document); }}"
IN_FRAMES = f"""async pages => {{
    {TOUCH}
    const wrong = await Promise.all(pages.map(text => new Promise(done => {{
        const frame = document.body.appendChild(document.createElement('iframe'));
        const page = frame.contentDocument;
        page.open();
        frame.addEventListener('load', () => {{ done(touch(page)); frame.remove(); }});
        page.write(text);
        page.close();
    }})));
    return wrong.flat();
}}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return hostile_portal(tmp_path_factory.mktemp("portal"))


@pytest.fixture(scope="module")
def portal(folder):
    with serve_portal(folder) as url:
        yield url


class ScriptWatch:
    """A tab in which nothing may run, and what did."""

    def __init__(self, tab, portal):
        self.tab = tab
        self.portal = portal
        self.ran, self.wrong = [], []
        tab.do(self.begin)

    async def begin(self, page):
        """Requests are noted here, and no name has an address: stopping each would take long."""
        page.on("dialog", self.dismiss)
        page.on("request", self.note)
        await page.context.unroute_all()

    async def dismiss(self, dialog):
        self.ran.append(dialog.page.url)
        await dialog.dismiss()

    def note(self, request):
        if request.resource_type not in HARMLESS:
            self.ran.append(f"{request.resource_type} {request.url}")

    def visit(self, path):
        self.tab.do(lambda page: page.goto(self.portal + path))
        self.wrong += self.tab.do(lambda page: page.evaluate(HERE))

    def show(self, pages):
        self.visit("/kenh/")
        bare = [KNOWN.sub("", page) for page in pages]
        for first in range(0, len(bare), AT_ONCE):
            some = bare[first : first + AT_ONCE]
            self.wrong += self.tab.do(lambda page, some=some: page.evaluate(IN_FRAMES, some))

    def told(self):
        """Scripts that ran or could, and complaints of the page's programs."""
        errors = [one for one in self.tab.errors if "Failed to load resource" not in one]
        return self.ran, self.wrong, errors


@pytest.fixture
def script_watch(browser, portal):
    with browser.tab(bypass_csp=True) as tab:
        yield ScriptWatch(tab, portal)


CLEAN = ([], [], [])


def text_of(folder, name):
    return (folder / "public" / "tin" / name / "index.html").read_text("utf-8")


def test_whoever_watches_sees_what_runs(script_watch):
    script_watch.show(
        ["<title>x</title><p onclick=alert(1)>x</p><a href=javascript:alert(2)>x</a>"]
    )
    ran, wrong, _ = script_watch.told()
    assert ran and "javascript:" in wrong[0]


def test_nothing_runs_on_lists(script_watch):
    for path in LISTS:
        script_watch.visit(path)
    assert script_watch.told() == CLEAN


@pytest.mark.promise("4.7")
def test_nothing_runs_on_any_item(script_watch, folder):
    script_watch.show([text_of(folder, item.content_id) for item in ITEMS])
    assert script_watch.told() == CLEAN


def test_nothing_runs_on_the_notice_of_any_withdrawn_item(script_watch, folder):
    script_watch.show([text_of(folder, f"rut-{item.content_id}") for item in ITEMS])
    assert script_watch.told() == CLEAN


def test_nothing_runs_where_it_is_looked_for(script_watch, folder):
    """As words, in the fields that narrow a search, and as what is found."""
    desk = SearchService(folder / "state" / SEARCH_INDEX_FILE, Site(PUBLIC_URL, DEFAULT))
    fields = ("q", "tu", "den", "chu-de", "don-vi")
    asked = [{"q": text, "don-vi": NOBODY} for text in TEXTS]
    wrong = [dict.fromkeys(fields, line) for line in LINES]
    every = [{"q": "alert", "trang": str(page + 1)} for page in range(len(ITEMS) // PAGE_SIZE)]
    answers = [desk.respond(one) for one in (*asked, *wrong, *every)]
    pages = [answer.body.decode() for answer in answers]
    assert sum("<mark>" in page for page in pages) == len(every)
    script_watch.show(pages)
    assert script_watch.told() == CLEAN


def test_nothing_runs_in_mails(script_watch):
    """As a mail program without any policy of its own would show them."""
    rows = zip(ITEMS, LINES, strict=True)
    mails = [sent_mail(item, mail_recipient(0, item, name=line[:100]))[1] for item, line in rows]
    script_watch.show([part(mail, "html") for mail in mails])
    assert script_watch.told() == CLEAN
