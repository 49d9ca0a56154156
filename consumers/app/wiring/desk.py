"""The desk of staff: a web server of its own, on its own host and port."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import structlog

from channels.email.render.build import MailContext
from channels.email.render.preview import PREVIEW_SIGNER
from channels.email.settings import EmailSettings
from channels.portal.model.site import DEFAULT_COVER_PATH
from channels.portal.preview import PortalPreview
from channels.zalo.publications.render import ArticleDefaults
from consumers.app.node import Node
from consumers.app.ports import DESK_PORT_OFFSET, blame_setting
from consumers.app.settings import (
    ClamdSettings,
    DeskSettings,
    load_deadlines,
    load_retention,
    load_working_days,
    read_settings,
)
from consumers.app.web.health import failing_checks
from consumers.app.web.server import AppRouter, WebServer, bind_socket, socket_url
from consumers.app.wiring.oidc import open_oidc
from consumers.app.wiring.portal import build_site
from consumers.app.wiring.subscribers import open_mailer
from consumers.app.wiring.trials.faces import open_faces
from consumers.audit.anchor import Anchor
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from consumers.audit.verification import LogVerifier
from consumers.bulletins.issues import SeriesIssues
from consumers.bulletins.pdf import IssuePrinter
from consumers.bulletins.print_texts import load_print_texts
from consumers.bulletins.released import ReleasedItems
from consumers.callbacks.unit_page import UnitCallbacks
from consumers.campaigns.report_files import CampaignReports
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
from consumers.desk.release.dry_run import DryRunner, MailReaders, ReleaseFacts, ReleaseTables
from consumers.desk.release.live import LiveItems
from consumers.desk.release.prices import load_prices
from consumers.desk.release.trial_mail import TrialMails
from consumers.desk.reports.author_lists import AuthorLists
from consumers.desk.reports.rows_file import ROWS_FILE
from consumers.desk.reports.service import LiveReports
from consumers.desk.unit_events import UnitEvents
from consumers.editorial.log import EditorialLog
from consumers.facts.store import FactStore
from consumers.periodic_reports.archive import HeaderSources
from consumers.periodic_reports.contents.texts import load_texts
from consumers.staff.accounts import AccountStore
from consumers.staff.administration import Administration
from consumers.staff.authorization import Authorizer
from consumers.staff.desk import StaffDesk
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.oidc.service import OidcStores
from consumers.staff.oidc.settings import OidcSettings
from consumers.staff.passwords import Passwords
from consumers.staff.policy import load_policy
from consumers.staff.sessions import SessionStore
from consumers.staff.sign_in import SignIn
from consumers.status.facts import FactsReader, StatusMonitor
from consumers.status.findings import Facts
from consumers.suppression.cache import SuppressionCache
from consumers.trials.guests import GuestAddresses
from consumers.trials.history import TrialPages
from consumers.trials.unit_page import UnitTrials
from consumers.uploads.clamd import Clamd
from consumers.uploads.service import Uploads
from contracts.base.security_headers import HSTS_WITH_SUBDOMAINS
from contracts.vocabulary import Vocabulary
from design.settings import SiteSettings
from producers.desk import DeskServices, create_desk
from producers.desk.rendering import ASSETS_PATH, DeskPages
from producers.units.registry import UnitRegistry

log = structlog.get_logger()
_FACTS_PATIENCE_S = 2.0
"""How long a page waits for a slow reading; then it shows the one before."""


async def add_desk(node: Node) -> None:
    """Serve the desk at LOA_DESK_URL, never on the port of the public faces.

    Raises Invalid for an address at which others could read sessions on their way.
    """
    settings = read_settings(DeskSettings)
    await node.open_proven_key()
    settings.check(node.public_url)
    port = _port(settings, node.settings.http_port)
    with blame_setting("LOA_DESK_HTTP", settings.http_host, port):
        bound = _bind(node.stack, settings, port)
    url = settings.url or socket_url(bound)
    web = _web_server(node, url)
    serving = asyncio.create_task(web.serve([bound]))
    node.stack.push_async_callback(web.finish, serving)
    await web.until_started(serving)
    node.addresses["desk"] = url
    log.info("desk_ready", url=url)


def _web_server(node: Node, url: str) -> WebServer:
    router = AppRouter()
    router.add(create_desk(_open_services(node, url), url))
    if url.startswith("https:"):
        router.require_https(HSTS_WITH_SUBDOMAINS)
    return WebServer(router, node.settings.connection_limits())


def _port(settings: DeskSettings, public_port: int) -> int:
    """The desk's port; where the system chooses the public one, it chooses this one, too."""
    if settings.http_port is not None:
        return settings.http_port
    return public_port + DESK_PORT_OFFSET if public_port else 0


def _bind(stack: AsyncExitStack, settings: DeskSettings, port: int) -> socket.socket:
    """Listen on *port*; where nothing names it and it is taken, on one that the system chooses.

    Deliveries do not wait for the desk. Raises OSError.
    """
    try:
        return stack.enter_context(bind_socket(settings.http_host, port))
    except OSError as error:
        is_named = settings.http_port is not None or settings.url
        if is_named or error.errno != errno.EADDRINUSE:
            raise
    log.warning("desk_port_taken", port=port)
    return stack.enter_context(bind_socket(settings.http_host, 0))


def _open_audit_log(node: Node, accounts: AccountStore) -> AuditLogDesk:
    settings, audit = node.settings, AuditLog(node.bus, node.clock)
    anchor = Anchor(node.bus, settings.bus_state_file, settings.key_file, node.clock)
    heads = (settings.audit_heads_file,)
    verifier = LogVerifier(audit, signing_key(node.keys), anchor, heads)
    return AuditLogDesk(node.bus, accounts, node.editorial_log, verifier.verify, node.clock)


def _facts_reader(node: Node) -> Callable[[], Awaitable[Facts]]:
    """Reads the facts of `loa status`, by the monitor of this process if it runs one."""
    reader = FactsReader(node.bus, node.zalo, node.clock)
    reader.decisions.log = node.editorial_log
    folders = (node.settings.data_dir, node.settings.nats_dir)
    own = StatusMonitor(reader, folders, is_observer=False)
    node.stack.callback(own.stop)

    async def facts() -> Facts:
        monitor = node.status_monitor or own
        await monitor.refresh_if_old(_FACTS_PATIENCE_S)
        return node.facts(await failing_checks(node.checks), monitor.facts)

    return facts


def _open_services(node: Node, url: str) -> DeskServices:
    """The services of the desk; the key is proven."""
    accounts = AccountStore(node.bus, node.clock)
    registry = UnitRegistry(node.bus, node.vocabulary, node.clock)
    sessions = SessionStore(node.bus, accounts, node.clock)
    staff = _open_staff(node, sessions, registry)
    words = node.vocabulary
    names = {id: word.name for id, word in words.units.items() if words.knows("unit", id)}
    if oidc := open_oidc(OidcStores(accounts, sessions, staff.door.addresses), node.keys, url):
        node.read_once[OidcSettings] = read_settings(OidcSettings)
    seal_key, has_own_nats = node.keys.derive("desk forms"), bool(node.settings.nats_url)
    pages = DeskPages(read_settings(SiteSettings))
    return DeskServices(
        *(staff, registry, names, seal_key, oidc, has_own_nats, pages),
        sessions=sessions,
        vocabulary=words,
        working_days=load_working_days(node.settings),
        **_page_services(node, staff),
    )


def _open_staff(node: Node, sessions: SessionStore, registry: UnitRegistry) -> StaffDesk:
    accounts, policy = sessions.accounts, load_policy(node.settings.data_dir)
    passwords = Passwords()
    node.stack.callback(passwords.close)
    return StaffDesk(
        SignIn(accounts, node.keys.derive, passwords),
        sessions,
        Authorizer(accounts, policy, node.clock, load_retention(node.settings).span("proposals")),
        Administration(accounts, registry, policy, node.vocabulary),
        node.keys.derive("staff app set-up"),
    )


def _page_services(node: Node, staff: StaffDesk) -> dict[str, Any]:
    """The services behind single pages, by their fields."""
    accounts, words = staff.rules.accounts, node.vocabulary
    operations = OperationsDesk(node.bus, _facts_reader(node), node.clock)
    node.stack.callback(operations.stop)
    letters = DeadLetterDesk(node.bus, accounts, words, node.open_seals)
    return {
        "dead_letters": letters,
        "unit_events": UnitEvents(node.bus, letters.index, node.clock),
        "unit_trials": _open_trial_page(node),
        "unit_callbacks": UnitCallbacks(node.bus),
        "operations": operations,
        "audit_log": _open_audit_log(node, accounts),
        "index": _open_index(node),
        **_delivery_services(node, ItemAccess(accounts, staff.rules.policy)),
        "bulletins": _open_bulletins(node),
        "campaign_reports": CampaignReports(node.bus, words, node.settings.report_texts_file),
        **_report_services(node, accounts),
        "kept_texts": KeptTexts(node.bus, node.clock),
        "links": DeskLinkChecks(node.clock),
        **_file_services(node),
        "editorial": _open_editorial(node, staff),
    }


def _open_trial_page(node: Node) -> UnitTrials:
    faces, addresses = open_faces(node), GuestAddresses(node.keys.derive)
    return UnitTrials(faces.store, TrialPages(faces.store, node.clock), faces, addresses)


def _open_bulletins(node: Node) -> SeriesIssues:
    items = ReleasedItems(node.bus, node.open_seals)
    texts = load_print_texts(node.settings.bulletin_texts_file)
    log, printer = EditorialLog(node.bus), IssuePrinter(node.settings.public_url, texts)
    return SeriesIssues(items, log, node.vocabulary, node.clock, printer)


def _report_services(node: Node, accounts: AccountStore) -> dict[str, Any]:
    """The figures of reports, whose copy of the facts is kept fresh, and the lists of authors.

    Raises Invalid, Unreadable.
    """
    texts, deadlines = load_texts(node.settings.report_texts_file), load_deadlines(node.settings)
    sources = HeaderSources(texts, node.vocabulary, deadlines=deadlines)
    reports = LiveReports(FactStore(node.bus), node.settings.desk_dir / ROWS_FILE, sources)
    node.tasks.append(reports.run)
    names = AccountNames(accounts)
    return {"reports": reports, "author_lists": AuthorLists(node.bus, names, sources)}


def _open_index(node: Node) -> ItemIndex:
    deadlines = load_deadlines(node.settings)
    path = node.settings.desk_dir / INDEX_FILE
    index = ItemIndex(node.editorial_log, path, node.clock, deadlines)
    node.tasks.append(index.run)
    node.desk_index = index
    return index


def _delivery_services(node: Node, access: ItemAccess) -> dict[str, Any]:
    """Services that show an item's way to its readers."""
    faces = channel_faces(node.public_url, node.vocabulary, node.email, ASSETS_PATH)
    return {
        "previews": ItemPreviews(node.bus, node.clock, access, faces),
        "dry_runs": _open_dry_runs(node, access),
        "live": _open_live(node, access),
        "trials": _open_trials(node, access),
    }


def _open_editorial(node: Node, staff: StaffDesk) -> EditorialDesk:
    days = load_working_days(node.settings)
    log = EditorialLog(node.bus)
    return EditorialDesk(node.bus, log, staff.rules, node.vocabulary, days, node.open_seals)


def _open_trials(node: Node, access: ItemAccess) -> TrialMails:
    addresses = StaffAddresses(node.keys.derive)
    return TrialMails(node.bus, node.clock, access, addresses, open_mailer(node))


def _open_live(node: Node, access: ItemAccess) -> LiveItems:
    live = LiveItems(node.bus, node.clock, access)
    node.on_stop.append(live.stop)
    return live


def _open_dry_runs(node: Node, access: ItemAccess) -> DryRunner:
    """The dry runs; the copies of the readers and of the suppressed addresses are kept fresh."""
    cache = SuppressionCache(node.bus, node.suppressions.hash_address_bytes, node.clock)
    node.tasks.append(cache.run)
    readers = MailReaders(node.directory, cache)
    settings = node.settings
    days, prices = load_working_days(settings), load_prices(settings.prices_file)
    tables = ReleaseTables(days, prices, node.vocabulary)
    facts = ReleaseFacts(node.zalo, tables)
    return DryRunner.open(node.bus, node.clock, access, readers, facts)


def channel_faces(
    url: str, words: Vocabulary, email: EmailSettings, assets_path: str
) -> ChannelFaces:
    """The look of each channel in previews; the portal has its style sheet at *assets_path*."""
    return ChannelFaces(
        PortalPreview(build_site(url, words, email), assets_path),
        MailContext(email, url, PREVIEW_SIGNER, words),
        ArticleDefaults(url, f"{url}{DEFAULT_COVER_PATH}"),
    )


def _file_services(node: Node) -> dict[str, Any]:
    """Uploads, which LOA_CLAMD_URL scans, and the address of the portal, which serves them."""
    url = read_settings(ClamdSettings).url
    uploads = Uploads(node.bus, Clamd(url) if url else None)
    return {"uploads": uploads, "public_url": node.public_url}
