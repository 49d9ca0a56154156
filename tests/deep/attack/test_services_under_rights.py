"""Every service in a process of its own, with its own key, over TLS: each does its whole work."""

import asyncio
import json
import re
import smtplib
import urllib.parse
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from channels.email.parsing import body_text, header_text
from channels.zalo.stand_in import APP_ID, APP_SECRET
from channels.zalo.webhook.signature import HEADER
from consumers.app.ports import SANDBOX_PORT_OFFSET
from consumers.app.service_names import SERVICE_NAMES
from consumers.key_file import KeyFile
from producers.access import Access
from producers.bus import Bus
from producers.bus_access.rights import ADMIN
from producers.imports.plan import import_content_id
from tests.deep.process.test_digest import put_last_cut_back
from tests.support.bounce_mails import bounce_mail
from tests.support.bus_configuration import server_settings, write_configuration
from tests.support.desk_http import activate, desk_browser
from tests.support.feed_site import Article, rss
from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, sandbox_call, wait_until
from tests.support.picture_server import serve_in_thread
from tests.support.ports import free_port
from tests.support.seals import write_replica_key
from tests.support.signup_app import CONSENT
from tests.support.split_loa import Service, SplitLoa
from tests.support.zalo_webhook import event_bytes, signature_of, text_event

OA_SECRET = "bi-mat-cua-oa"
PERSON, LEAVER = "chi@example.com", "nguoi1@example.com"
GUEST = "khach@example.com"


class LimitedLoa(SplitLoa):
    """Each service has its own key, and commands have that of loa-admin."""

    def __init__(self, folder, keys, **settings):
        super().__init__(folder, **settings)
        self.keys = keys
        self.environ["LOA_NATS_NKEY_FILE"] = str(keys.path(ADMIN))

    def run(self, *names, **more):
        for name in names:
            environ = self.environ | {"LOA_NATS_NKEY_FILE": str(self.keys.path(name))}
            self.services[name] = Service(name, self.folder, environ | more)
            assert self.services[name].url, "one after the other: each start takes a processor"

    def call(self, service, path, form=None, **headers):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(f"{self[service].url}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()


@pytest.fixture
def site():
    """A unit's site with one article, an hour old."""
    feed = rss(Article(1, ago=60))
    with serve_in_thread(lambda _: feed, "application/rss+xml") as site:
        yield site


@pytest.fixture
def loa(tmp_path, other_server, site):
    folder, public = write_configuration(tmp_path, ("127.0.0.1",)), free_port()
    mail, http, back = free_port(), free_port(), free_port()
    sandbox = f"http://127.0.0.1:{http + SANDBOX_PORT_OFFSET}"
    settings = {f"ZALO_{host}_URL": sandbox for host in ("OPENAPI", "BUSINESS", "OAUTH")}
    settings |= {"ZALO_APP_ID": APP_ID, "ZALO_APP_SECRET": APP_SECRET, "ZALO_OA_SECRET": OA_SECRET}
    settings |= {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": mail, "EMAIL_TLS": "none"}
    settings |= {"EMAIL_FROM": "Loa <thong-bao@loa.example>", "IMPORT_ALLOW": site}
    settings |= {"EMAIL_BOUNCE_DOMAIN": "tra-lai.loa.example", "BOUNCES_PORT": back}
    settings |= {"PUBLIC_URL": f"http://127.0.0.1:{public}", "HTTP_PORT": 0, "PORTAL_READ_BACK": 0}
    settings |= {"IMPORT_PAUSE_S": 0, "CALLBACKS_ALLOW": f"127.0.0.1:{free_port()}"}
    log = tmp_path / "nats.log"
    with other_server(f'{server_settings(tmp_path)}\nlog_file: "{log}"\n') as server:
        (tmp_path / "loa").mkdir()
        url = server.url.replace("nats://", "tls://")
        settings |= {"NATS_URL": url, "NATS_CA_FILE": folder.ca_file}
        with LimitedLoa(tmp_path / "loa", folder.keys, **settings) as loa:
            assert loa.cli("run", "gateway").exit_code == 3, "nothing is applied yet"
            done = loa.cli("bus", "apply")
            assert done.exit_code == 0, done.err
            keep_the_key_from_the_gateway(loa.data)
            (loa.data / "mail").mkdir(mode=0o700)
            loa.run("mailbox")
            loa.run("zalo-sandbox", LOA_HTTP_PORT=str(http))
            loa.run("portal", LOA_HTTP_PORT=str(public))
            loa.run(*(name for name in SERVICE_NAMES if name not in loa.services))
            loa.server_log, loa.sandbox_url, loa.back = log, sandbox, back
            yield loa


def keep_the_key_from_the_gateway(data):
    """As in containers, it has one part of the key; the webhook and the replica have others."""
    key = KeyFile.open(data / "vault.key", create=False)
    (data / "notices.key").write_text(key.notices_key().hex())
    (data / "receipts.key").write_text(key.receipts_key().hex())
    write_replica_key(data)


def mails_to(loa, address):
    return [mail for mail in loa.mails() if mail["Delivered-To"] == address]


def test_each_service_does_its_whole_work_and_is_never_refused(loa, site):
    loa.add_unit(UNIT, "--notices", "email")
    add_silent_endpoint(loa)
    loa.readers(2)
    counts = loa.trace_of_event(loa.publish("tin-moi", "portal", "email"))["channels"]
    assert {name: one["delivered"] for name, one in counts.items()} == {"portal": 1, "email": 2}
    loa.publish("tin-zalo", "zalo")
    state = partial(sandbox_call, loa.sandbox_url, "state")
    wait_until(lambda: state()["articles"], "the article on Zalo")
    sign_up(loa)
    tell_a_person(loa)
    try_an_item(loa)
    hear_zalo(loa)
    return_a_mail(loa)
    loa.call(
        "opinions", "/y-kien/tin-moi", {"muc": "satisfied"}, Origin=loa.environ["LOA_PUBLIC_URL"]
    )
    import_an_article(loa, site)
    asyncio.run(digest_and_dead_letter(loa))
    withdrawn = loa.post(sample_event("withdrawn", id="rut", content_id="tin-moi"))
    assert withdrawn.status == 202, withdrawn
    wait_until(lambda: loa.trace("tin-moi")["state"] == "withdrawn", "the withdrawal")
    loa.trace_when_complete("tin-moi")
    work_at_the_desk(loa)
    figures = loa.data / "portal/public/hieu-nang/so-lieu.json"
    wait_until(figures.exists, "the figures of deliver-portal", patience_s=300)
    assert loa.violations() == []
    assert loa.cli("opinions", "--json").json
    for name in SERVICE_NAMES:
        assert json.loads(loa.call(name, "/readyz")), name
    scrape_all(loa)
    refusals = re.findall(r".*Violation.*", loa.server_log.read_text())
    assert refusals == []


def scrape_all(loa):
    """Each service shows its own work, and what lies on the bus where it has the right to read."""
    shown = {name: loa[name].scrape() for name in SERVICE_NAMES}
    for name, page in shown.items():
        assert page.total("loa_service_info", service=name) == page.total("loa_service_info") == 1
        assert page.total("loa_bus_connected") == 1
    assert shown["gateway"].total("loa_events_total", unit=UNIT, answer="accepted") >= 4
    assert shown["import"].total("loa_events_total", door="import", answer="accepted") == 1
    assert shown["import"].total("loa_feed_read_timestamp_seconds", unit=UNIT) > 0
    assert shown["feedback"].total("loa_mail_reports_total", kind="bounce") >= 1
    assert shown["deliver-email"].total("loa_delivery_attempts_total", outcome="delivered") >= 4
    assert shown["deliver-zalo"].total("loa_zalo_token_expires_timestamp_seconds") > 0
    facts = wait_until(lambda: complete_facts(loa), "the facts of the bus")
    assert facts.total("loa_bus_can_store") == 1 and facts.total("loa_backlog_rows") == 0
    readers = {name for name, page in shown.items() if page.total("loa_bus_can_store")}
    assert readers == {"sweep"}, "the others may not read so much"


def complete_facts(loa):
    """The page of `sweep`, once it has told of an item's last mail."""
    page = loa["sweep"].scrape()
    last = page.total("loa_item_delivery_seconds_count", channel="email", reached="last")
    return last >= 1 and page


def add_silent_endpoint(loa):
    """An endpoint that is never called, so each reading looks at the facts of its unit."""
    url = f"http://{loa.environ['LOA_CALLBACKS_ALLOW']}/loa"
    added = loa.cli("callbacks", "add", UNIT, url, "--contact", GUEST, "--kind", "rejected")
    assert added.exit_code == 0, added.err


def sign_up(loa):
    """A subscriber signs up, confirms, and leaves again."""
    form = {"email": PERSON, "frequency": "daily", "consent": CONSENT}
    loa.call("pages", "/dang-ky", form)
    [mail] = wait_until(lambda: mails_to(loa, PERSON), "the confirmation mail")
    path = re.search(r"(/dang-ky/xac-nhan/\S+)", body_text(bytes(mail), "plain"))
    loa.call("pages", path[1], {})
    wait_until(lambda: loa.cli("subscribers", "show", PERSON).exit_code == 0, "the subscriber")


def tell_a_person(loa):
    told = loa.post(sample_event("updated"))
    assert told.status == 202, told
    loa.trace_of_event(told.body["event_id"])


def try_an_item(loa):
    """A unit sends a trial: its guest gets a mail, and the door shows the page."""
    key = loa.cli("units", "trial-key", UNIT, "--json").json["api_key"]
    assert loa.cli("units", "guest", UNIT, GUEST).exit_code == 0
    own = {"Authorization": f"Bearer {key}"}
    told = loa.post(sample_event(id="thu", content_id="tin-thu"), **own)
    assert told.status == 202 and told.body["trial"], told
    [mail] = wait_until(lambda: mails_to(loa, GUEST), "the mail to the guest")
    assert header_text(bytes(mail), "X-Loa-Trial") == "1"
    page = f"/v1/trials/{told.body['event_id']}/portal.html"
    assert "THỬ NGHIỆM" in loa.call("gateway", page, **own)


def hear_zalo(loa):
    body = event_bytes(text_event())
    signed = {HEADER: f"mac={signature_of(body, APP_ID, OA_SECRET)}"}
    request = urllib.request.Request(f"{loa['zalo-webhook'].url}/zalo/webhook", body, signed)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def return_a_mail(loa):
    [mail] = mails_to(loa, LEAVER)
    path = header_text(bytes(mail), "Return-Path").strip("<>")
    message_id = header_text(bytes(mail), "Message-ID")[1:33]
    with smtplib.SMTP("127.0.0.1", loa.back) as relay:
        relay.sendmail("", [path], bounce_mail("5.1.1", to=LEAVER, message_id=message_id))
    shown = ("mail", "suppressed", "show", LEAVER)
    wait_until(lambda: loa.cli(*shown).exit_code == 0, "the suppression")


def import_an_article(loa, site):
    where = (f"http://{site}/rss", "--topic", "chuyen-doi-so", "--channel", "portal")
    added = loa.cli("import", "add", UNIT, *where)
    assert added.exit_code == 0, added.err
    loa.trace_when_complete(import_content_id(UNIT, Article(1, ago=60).entry()))


def work_at_the_desk(loa):
    """An account manager signs in, and revokes the unit's keys; another would be asked first."""
    with desk_browser(loa["desk"].logged("desk_ready")["url"]) as browser:
        activate(loa, browser, "an")
        for path in ("/nhan-su", "/don-vi", "/de-nghi", "/tai-khoan"):
            assert browser.get(path).status_code == 200, path
        unit = browser.get(f"/don-vi/{UNIT}").text
        for action in ("khoa-moi", "thu-hoi"):
            path = f"/don-vi/{UNIT}/{action}"
            [seal] = re.findall(rf'action="{path}" novalidate>\s*<input[^>]*value="(\w+)"', unit)
            assert browser.post(path, data={"seal": seal}).status_code == 200, action


async def digest_and_dead_letter(loa):
    ca_file = Path(loa.environ["LOA_NATS_CA_FILE"])
    access = Access(nkey_file=loa.keys.path(ADMIN), ca_file=ca_file)
    async with await Bus.connect(loa.environ["LOA_NATS_URL"], access=access) as bus:
        await bus.publish(f"content.{UNIT}.submitted", b"no event")
        digest = await put_last_cut_back(bus, loa.data)
    await asyncio.to_thread(loa.trace_when_complete, digest)
    assert [letter["stage"] for letter in loa.dead_letters()] == ["intake"]
