"""The desk with everything behind it on a real bus, and browsers of people who use it."""

import asyncio
import html
import re
import shutil
import time
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

import httpx2

from channels.email.render.build import MailContext
from channels.email.render.preview import PREVIEW_SIGNER
from channels.email.settings import EmailSettings
from channels.portal.model.site import DEFAULT_COVER_PATH, Site
from channels.portal.preview import PortalPreview
from channels.zalo.publications.render import ArticleDefaults
from channels.zalo.settings import ZaloSettings
from consumers.audit.anchor import Anchor
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.audit.verification import LogVerifier
from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.released import ReleasedItems
from consumers.callbacks.unit_page import UnitCallbacks
from consumers.campaigns.report_files import CampaignReports
from consumers.case_notices.recipients import CaseNotices
from consumers.desk.access import ItemAccess
from consumers.desk.audit_log import AuditLogDesk
from consumers.desk.dead_letters import DeadLetterDesk
from consumers.desk.editorial import EditorialDesk
from consumers.desk.index import INDEX_FILE, ItemIndex
from consumers.desk.kept_texts import KeptTexts
from consumers.desk.link_checks import DeskLinkChecks
from consumers.desk.names import AccountNames
from consumers.desk.operations import OperationsDesk
from consumers.desk.previews import ChannelFaces, ItemPreviews
from consumers.desk.release.dry_run import DryRunner, MailCounter, ReleaseFacts, ReleaseTables
from consumers.desk.release.live import LiveItems
from consumers.desk.release.planned_rows import PlannedRows
from consumers.desk.release.prices import load_prices
from consumers.desk.release.trial_mail import TrialMails
from consumers.desk.reports.author_lists import AuthorLists
from consumers.desk.reports.rows_file import ROWS_FILE
from consumers.desk.reports.service import LiveReports
from consumers.desk.unit_events import UnitEvents
from consumers.dispatch.audience import Audience, PortalAudience, ZaloAudience
from consumers.editorial.log import EditorialLog
from consumers.facts.store import FactStore
from consumers.key_file import seal_people
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.texts import load_texts
from consumers.seals.publications import PublicationSeals
from consumers.staff.administration import Administration
from consumers.staff.authorization import Authorizer
from consumers.staff.desk import StaffDesk
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.policy import default_policy
from consumers.status.facts import FactsReader, StatusMonitor
from consumers.status.findings import Facts
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.transactional import TransactionalMailer
from consumers.trials.faces import RenderedTrials
from consumers.trials.guests import GuestAddresses
from consumers.trials.history import TrialPages
from consumers.trials.store import TrialStore
from consumers.trials.unit_page import UnitTrials
from consumers.uploads.clamd import Clamd
from consumers.uploads.service import Uploads
from contracts.base.working_days import default_working_days
from contracts.delivery import ChannelName
from contracts.publication import Publication
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.desk import DeskServices, create_desk
from producers.desk.rendering import ASSETS_PATH
from producers.desk.services import OidcService
from producers.desk.visit import DeskRoute
from producers.desk.web_session import SessionCookie, form_seal
from producers.units.registry import UnitRegistry
from tests.support.clock import FakeClock
from tests.support.seals import seals_of
from tests.support.signup_app import serve_app
from tests.support.staff import KEYS, PASSWORD, StaffHarness

PORTAL_URL = "https://thong-tin.example.gov.vn"
DESK_URL = "https://ban-duyet.example.gov.vn"
CHANNELS: Mapping[ChannelName, Audience] = {
    ChannelName.PORTAL: PortalAudience(),
    ChannelName.ZALO: ZaloAudience(),
}
SEAL_KEY = b"a key for the seals of tests"
OWN_HEADERS = {"Origin": DESK_URL, "Sec-Fetch-Site": "same-origin"}
COOKIE = SessionCookie(is_https=True).name
_FORM = re.compile(r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.S)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
_NAME = re.compile(r'<(?:input|select|textarea|button)\b[^>]*\sname="([^"]*)"')
NOTHING: Mapping[str, Any] = {}
NO_ITEM = "khong-co"
"""The id of an item that no desk has by itself."""


class Browser:
    """A browser that sends the headers of its kind and the forms that a page holds."""

    def __init__(self, client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
        self.client, self.headers = client, headers
        self.get = client.get

    @property
    def token(self) -> str:
        return self.client.cookies.get(COOKIE, "")

    async def press(
        self, page: str, action: str, planted: Mapping[str, Any] = NOTHING, **fields: Any
    ) -> httpx2.Response:
        """Open *page* and send its form that goes to *action*, filled in as by `submit`."""
        return await self.submit(await self.get(page), action, planted, **fields)

    async def submit(
        self,
        page: httpx2.Response,
        action: str,
        planted: Mapping[str, Any] = NOTHING,
        **fields: Any,
    ) -> httpx2.Response:
        """Send the form of an open page, which has each of *fields*; it has none of *planted*."""
        form = open_form(page.text, action)
        assert not (lacking := fields.keys() - form.names), (action, lacking)
        assert not (known := planted.keys() & form.names), (action, known)
        data = {**form.hidden, **fields, **planted}
        return await self.client.post(action, data=data, headers=self.headers)

    async def post(self, path: str, **fields: Any) -> httpx2.Response:
        """Send a form with a right seal that no page was opened for."""
        seal = form_seal(SEAL_KEY, self.token, path)
        return await self.client.post(path, data={"seal": seal} | fields, headers=self.headers)


@dataclass(frozen=True)
class OpenForm:
    """A form of a page: the names of its fields, and what it sends besides what is typed."""

    names: frozenset[str]
    hidden: Mapping[str, str]


def open_form(page: str, action: str) -> OpenForm:
    """The form of a page that goes to *action*."""
    forms = dict(_FORM.findall(page))
    assert action in forms, page
    hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(forms[action])}
    return OpenForm(frozenset(_NAME.findall(forms[action])), hidden)


def hidden_fields(page: str, action: str) -> Mapping[str, str]:
    """Fields of the form that goes to *action*, besides the typed ones."""
    return open_form(page, action).hidden


class DeskApp(StaffHarness):
    """One process with the desk."""

    def __init__(
        self,
        bus: Bus,
        clock: FakeClock,
        url: str = DESK_URL,
        oidc: Callable[[StaffHarness], OidcService] | None = None,
        *,
        has_own_nats: bool = False,
        scanner: Clamd | None = None,
    ) -> None:
        super().__init__(bus, clock)
        self.url = url
        self.status = StatusMonitor(FactsReader(bus, ZaloSettings(), clock))
        policy = default_policy()
        self.registry = UnitRegistry(bus, DEFAULT, clock)
        self.desk = StaffDesk(
            self.sign_in,
            self.sessions,
            Authorizer(self.accounts, policy, clock),
            Administration(self.accounts, self.registry, policy, DEFAULT),
            KEYS.derive("staff app set-up"),
        )
        units = {id: word.name for id, word in DEFAULT.units.items()}
        parts = (self.desk, self.registry, units, SEAL_KEY)
        provider = oidc(self) if oidc else None
        folder = Path(mkdtemp())
        cleaning = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        cleaning.atexit = False  # a forked command ends without cleaning for its parent
        self.index = ItemIndex(EditorialLog(bus), folder / INDEX_FILE, clock)
        sources = HeaderSources(load_texts(folder / "report.toml"), DEFAULT)
        self.reports = LiveReports(FactStore(bus), folder / ROWS_FILE, sources)
        self.visitors = 0
        self.links = DeskLinkChecks(clock)
        self.services = DeskServices(
            *parts,
            oidc=provider,
            has_own_nats=has_own_nats,
            index=self.index,
            clock=clock,
            previews=desk_previews(self),
            dry_runs=desk_dry_runs(self, UncountedMail()),
            campaign_reports=CampaignReports(bus, DEFAULT, Path("report.toml")),
            bulletins=SeriesIssues(
                ReleasedItems(bus, self.open_seals), EditorialLog(bus), DEFAULT, clock
            ),
            reports=self.reports,
            author_lists=AuthorLists(bus, AccountNames(self.accounts), self.reports.sources),
            kept_texts=KeptTexts(bus, clock),
            links=self.links,
            live=LiveItems(bus, time.time, ItemAccess(self.accounts, policy)),
            sessions=self.sessions,
            uploads=Uploads(bus, scanner),
            public_url=PORTAL_URL,
            trials=desk_trials(self),
            **self.operating_services(),
        )
        self.app = create_desk(self.services, url)

    def operating_services(self) -> dict[str, Any]:
        """The services of the pages of those who keep Loa running."""
        letters = DeadLetterDesk(self.bus, self.accounts, DEFAULT, self.open_seals)
        known = {"vocabulary": DEFAULT, "open_seals": self.open_seals}
        items = EditorialDesk(self.bus, EditorialLog(self.bus), self.desk.rules, **known)
        operations = OperationsDesk(self.bus, self.facts)
        events = UnitEvents(self.bus, letters.index, time.time)
        return {"dead_letters": letters, "operations": operations, "editorial": items} | {
            "unit_events": events,
            "unit_trials": desk_unit_trials(self),
            "unit_callbacks": UnitCallbacks(self.bus),
            "audit_log": self.audit_log(),
        }

    def audit_log(self) -> AuditLogDesk:
        """The log, with an anchor and daily heads that were never written."""
        files = Path("/nonexistent/state"), Path("/nonexistent/key")
        anchor, audit = Anchor(self.bus, *files, self.clock), AuditLog(self.bus, self.clock)
        verifier = LogVerifier(audit, signing_key(KEYS), anchor)
        editorial = EditorialLog(self.bus)
        return AuditLogDesk(self.bus, self.accounts, editorial, verifier.verify, self.clock)

    async def facts(self) -> Facts:
        await self.status.refresh_if_old(5.0)
        return self.status.facts

    async def open_seals(self) -> PublicationSeals:
        return seals_of(KEYS)

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow the editorial log while there are visitors."""
        self.visitors += 1
        if self.visitors == 1:
            self.following = asyncio.gather(self.index.run(), self.reports.run())
        try:
            yield
        finally:
            self.visitors -= 1
            if not self.visitors:
                self.following.cancel()
                await asyncio.gather(self.following, return_exceptions=True)

    @asynccontextmanager
    async def browser(self, token: str = "", ip: str = "198.51.100.7") -> AsyncIterator[Browser]:
        transport = httpx2.ASGITransport(self.app, client=(ip, 4711))
        new_client = httpx2.AsyncClient(transport=transport, base_url=self.url)
        async with self.followed(), new_client as client:
            if token:
                client.cookies.set(COOKIE, token, urlsplit(self.url).hostname or "")
            yield Browser(client, OWN_HEADERS | {"Origin": self.url})

    @asynccontextmanager
    async def signed_in(self, login: str, *roles: str) -> AsyncIterator[Browser]:
        """The browser of a new account that has just signed in."""
        await self.active(login, *roles)
        async with self.browser(await self.session_of(login)) as own:
            yield own

    async def session_of(self, login: str) -> str:
        """The token of a new session of an account."""
        account = await self.accounts.require(login)
        return await self.sessions.start(account, network="198.51.100.7")

    async def press_sign_in(self, browser: Browser, login: str, **changes: str) -> httpx2.Response:
        given = self.credentials(login, **changes)
        return await browser.press("/dang-nhap", "/dang-nhap", **given)

    def credentials(self, login: str, **changes: str) -> dict[str, str]:
        """Credentials of a person for signing in now."""
        return {"login": login, "password": PASSWORD, "code": self.code()} | changes


def desk_previews(staff: StaffHarness) -> ItemPreviews:
    """Previews for a portal that is not there."""
    faces = ChannelFaces(
        PortalPreview(Site(PORTAL_URL, DEFAULT), ASSETS_PATH),
        MailContext(EmailSettings(), PORTAL_URL, PREVIEW_SIGNER, DEFAULT),
        ArticleDefaults(PORTAL_URL, f"{PORTAL_URL}{DEFAULT_COVER_PATH}"),
    )
    access = ItemAccess(staff.accounts, default_policy())
    return ItemPreviews(staff.bus, staff.clock, access, faces)


def path_of(route: DeskRoute) -> str:
    """An address of a route; nothing has the ids in it, but for the unit and the channel."""
    values = {"{id}": "0" * 64, "{unit}": "van-phong-bo", "{channel}": "zalo", "{log}": "kiem-toan"}
    values |= {"{content_id}": NO_ITEM, "{series}": NO_ITEM, "{face}": "mail.txt"}
    path = route.path
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def desk_trials(staff: StaffHarness) -> TrialMails:
    """Trials that the ledger has, and that no worker sends."""
    bus, clock = staff.bus, staff.clock
    seal_people(bus, KEYS)
    notices = CaseNotices(bus, Ledger(bus), Waker(bus))
    readers = SubscriberStore(bus, KEYS.derive("addresses"))
    mailer = TransactionalMailer(bus, notices, readers, clock, HourlyMailQuota(bus, 0, clock))
    access = ItemAccess(staff.accounts, default_policy())
    return TrialMails(bus, clock, access, StaffAddresses(KEYS.derive), mailer)


def desk_unit_trials(staff: StaffHarness) -> UnitTrials:
    """Trials of units, with faces for a portal that is not there."""
    store = TrialStore(staff.bus)
    faces = RenderedTrials(
        store,
        Ledger(staff.bus),
        PortalPreview(Site(PORTAL_URL, DEFAULT), ASSETS_PATH),
        MailContext(EmailSettings(), PORTAL_URL, PREVIEW_SIGNER, DEFAULT),
        ArticleDefaults(PORTAL_URL, f"{PORTAL_URL}{DEFAULT_COVER_PATH}"),
    )
    pages = TrialPages(store, staff.clock)
    return UnitTrials(store, pages, faces, GuestAddresses(KEYS.derive))


class UncountedMail:
    """The mail's readers at a desk that has no copy of them."""

    async def count(self, publication: Publication) -> None:
        return None


def desk_dry_runs(
    staff: StaffHarness, mail: MailCounter, audiences: Mapping[ChannelName, Audience] = CHANNELS
) -> DryRunner:
    """Dry runs for an account on Zalo whose quotas are known: 3 broadcasts a month, 1 a day."""
    settings = ZaloSettings(app_id="77", broadcasts_per_month=3, broadcasts_per_day=1)
    tables = ReleaseTables(default_working_days(), load_prices(Path("/none")), DEFAULT)
    facts = ReleaseFacts(settings, tables)
    access = ItemAccess(staff.accounts, default_policy())
    planned = PlannedRows(staff.bus, audiences)
    return DryRunner(staff.bus, staff.clock, access, mail, planned, facts)


@asynccontextmanager
async def served_desk(bus: Bus, clock: FakeClock) -> AsyncIterator[DeskApp]:
    """The desk on a port of this machine, for a real browser."""

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await desk.app(scope, receive, send)

    async with serve_app(late) as url:
        desk = DeskApp(bus, clock, url)
        async with desk.followed():
            yield desk


def heading(answer: httpx2.Response) -> str:
    """The only first heading of a page."""
    [found] = re.findall("<h1>(.*?)</h1>", answer.text, re.S)
    return str(found)
