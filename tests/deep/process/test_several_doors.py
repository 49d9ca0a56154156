"""Two of each service at once: doors, portals, readers' pages, desks, intakes and planners.

One of each is killed in turn, while two senders go to both doors and an editor to both desks.
"""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import httpx2
import pytest

from tests.support.acceptance_probe import post_once
from tests.support.desk_app import hidden_fields
from tests.support.desk_http import accept_invitation, desk_browser
from tests.support.gateway_client import sample_event
from tests.support.loa_process import wait_until
from tests.support.ports import free_port
from tests.support.served_desk import PLAIN_COOKIE
from tests.support.split_loa import Service, SplitLoa, on_a_server

pytestmark = pytest.mark.timeout(1200)
TWICE = ("gateway", "portal", "pages", "desk", "intake", "dispatch")
ONCE = ("deliver-email", "deliver-portal", "sweep")
READERS, SENDERS = 10, 2
ENOUGH = 3
"""Events of each sender while one service lacks."""
TEXT = {
    "unit": "van-phong-bo", "topic": "cai-cach-hanh-chinh", "channels": "portal", "lane": "normal",
}  # fmt: skip


class Sender(threading.Thread):
    """Sends each event to both doors at the same moment, until one of them has taken it."""

    def __init__(self, doors: list[str], key: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.doors, self.key = doors, key
        self.stopped = threading.Event()
        self.taken_by_both = 0
        self.accepted: dict[str, str] = {}
        """Event ids by item."""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with ThreadPoolExecutor(len(self.doors)) as pool:
                while not self.stopped.is_set():
                    self.send(pool, f"{self.name}-{len(self.accepted)}")
        except Exception as error:
            self.error = error
            raise

    def send(self, pool: ThreadPoolExecutor, item: str) -> None:
        event = sample_event(id=item, content_id=item, channels=("portal", "email"))
        post, answers = partial(post_once, key=self.key, event=event), set[str | None]()
        while answers <= {None}:
            both = [*pool.map(post, self.doors)]
            self.taken_by_both += None not in both
            answers |= {*both}
            time.sleep(0.25)  # both senders stay below what a unit may send in a minute
        [self.accepted[item]] = answers - {None}

    def until(self, count: int) -> None:
        wait_until(lambda: self.error or len(self.accepted) >= count, f"{count} events")

    def end(self) -> None:
        self.stopped.set()
        self.join()
        if self.error:
            raise self.error


class Editor:
    """One person with one session, at the desk that has its turn."""

    def __init__(self, loa: "TwiceLoa", stack: ExitStack) -> None:
        self.loa, self.stack = loa, stack
        words = ("--name", "Lê Thị An", "--unit", TEXT["unit"], "--role", "nguoi-gui-tin")
        added = loa.cli("staff", "add", "an", *words, "--json")
        assert added.exit_code == 0, added.err
        browser = self.browser("desk")
        accept_invitation(browser, "an", added.json["invitation"])
        self.token = browser.cookies[PLAIN_COOKIE]
        self.titles: dict[str, str] = {}
        """By the address of the item's page."""

    def browser(self, desk: str) -> httpx2.Client:
        url = self.loa[desk].logged("desk_ready")["url"]
        return self.stack.enter_context(desk_browser(url))

    def at(self, desk: str) -> httpx2.Client:
        """The person's browser, with the session that began at the first desk."""
        browser = self.browser(desk)
        browser.cookies.set(PLAIN_COOKIE, self.token, "127.0.0.1")
        return browser

    def writes(self, desk: str) -> str:
        """Write a new text; the address of its page."""
        title = f"Tin thứ {len(self.titles)}"
        page = self.fill(desk, "/soan-moi", {**TEXT, "title": title, "body": "Đoạn một."})
        self.titles[page] = title
        return page

    def changes(self, desk: str, page: str, body: str) -> None:
        text = {**TEXT, "title": self.titles[page], "body": body}
        assert self.fill(desk, f"{page}/sua", text) == page

    def fill(self, desk: str, path: str, fields: dict[str, str]) -> str:
        browser = self.at(desk)
        page = browser.get(path)
        assert page.status_code == 200, (desk, path, page.headers.get("location"))
        done = browser.post(path, data={**hidden_fields(page.text, path), **fields})
        assert done.status_code == 303, done.text
        return done.headers["location"].partition("?")[0]

    def reads(self, desk: str, page: str) -> str:
        answer = self.at(desk).get(page)
        assert answer.status_code == 200, (desk, page, answer.headers.get("location"))
        return answer.text


class TwiceLoa(SplitLoa):
    """Its services, each of `TWICE` on this machine and on another one."""

    def begin_all(self) -> None:
        self.environ["LOA_DESK_HTTP_PORT"] = "0"
        self.doors = {name: free_port() for name in ("gateway", "gateway-2")}
        self.begin("gateway", LOA_HTTP_PORT=str(self.doors["gateway"]))
        self.run(*TWICE[1:], *ONCE)
        self.share_portal("portal-2")
        for name in TWICE:
            port = self.doors.get(f"{name}-2", 0)
            self.run_elsewhere(f"{name}-2", name, LOA_HTTP_PORT=str(port))

    def share_portal(self, machine: str) -> None:
        """Give a machine the folder with the portal's files."""
        data = self.folder / machine / "data"
        data.mkdir(parents=True)
        (data / "portal").symlink_to(self.data / "portal")

    @property
    def door_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.doors.values()]

    def both(self, name: str) -> list[Service]:
        return [self[name], self[f"{name}-2"]]


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(TwiceLoa, tmp_path / "loa", other_server, relay) as loa:
        loa.begin_all()
        loa.add_unit()
        loa.readers(READERS)
        yield loa


@pytest.mark.promise("1.3", "3.10")
def test_one_of_two_of_each_is_killed_and_each_event_is_delivered_once(loa, relay):
    chance, events = random.Random("hai"), {}
    senders = [Sender(loa.door_urls, loa.key, f"nguon-{n}") for n in range(SENDERS)]
    with ExitStack() as stack:
        editor = Editor(loa, stack)
        for sender in senders:
            sender.start()
        for name in TWICE:
            lost = chance.choice((name, f"{name}-2"))
            work_without(loa, lost, senders, editor)
        for sender in senders:
            sender.end()
            assert sender.taken_by_both > ENOUGH
            events |= sender.accepted
        for desk in ("desk", "desk-2"):
            wait_until(lambda at=desk: shows_all(editor, at), f"every text in the list of {desk}")
    check_deliveries(loa, relay, events)
    assert loa.violations() == []


def work_without(loa: TwiceLoa, lost: str, senders: list[Sender], editor: Editor) -> None:
    """Kill a service; senders and editor go on without it, and with it once it is back."""
    loa[lost].kill()
    desks = [one for one in ("desk", "desk-2") if one != lost]
    pages = {desk: editor.writes(desk) for desk in desks}
    for sender in senders:
        sender.until(len(sender.accepted) + ENOUGH)
    loa[lost].start()
    assert loa[lost].url
    for desk, page in pages.items():
        [other] = {"desk", "desk-2"} - {desk}
        assert "Đoạn một." in editor.reads(other, page)
        editor.changes(other, page, f"Sửa tại {other}.")
        assert f"Sửa tại {other}." in editor.reads(desk, page)


def shows_all(editor: Editor, desk: str) -> bool:
    shown = editor.reads(desk, "/")
    return all(title in shown for title in editor.titles.values())


def check_deliveries(loa: TwiceLoa, relay, events: dict[str, str]) -> None:
    """Each event is one item, which each reader has once, and which both portals show."""
    assert len({*events.values()}) == len(events)
    for item, event_id in events.items():
        channels = loa.trace_of_event(event_id)["channels"]
        email, portal = channels["email"], channels["portal"]
        assert (email["expected"], email["delivered"], email["maybe_duplicate"]) == (
            READERS, READERS, 0,
        )  # fmt: skip
        assert portal["delivered"] == 1, item
    copies = Counter(relay.accepted_mails())
    assert (len(copies), copies.total()) == (READERS * len(events),) * 2
    for portal in loa.both("portal"):
        for item in events:
            assert httpx2.get(f"{portal.url}/tin/{item}").status_code == 200
    for pages in loa.both("pages"):
        assert httpx2.get(f"{pages.url}/dang-ky").status_code == 200
