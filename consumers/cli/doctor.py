"""`loa doctor`: examine the settings and services around Loa."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import typer
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from channels.email.doctor.dns_client import DNS_PORT, DnsClient
from channels.email.doctor.doctor import Doctor
from channels.email.doctor.finding import Finding, Level
from channels.email.relays import describe_relays, load_relays
from channels.email.settings import EmailSettings, is_loopback
from channels.zalo.account.status import AccountStatus
from channels.zalo.settings import ZaloSettings
from consumers.app import instance
from consumers.app.environment import environment
from consumers.app.settings import DeskSettings, LoaSettings, read_settings
from consumers.app.wiring.zalo import probe_account
from consumers.channel_health import destinations
from consumers.channel_health.destinations import Destination
from consumers.cli.mail import mail_context
from consumers.cli.output import (
    EXIT_NEEDS_PERSON,
    Json,
    explain_errors,
    page,
    print_answer,
    print_errors,
    print_field_texts,
    print_json,
)
from consumers.cli.progress import progress_bars
from consumers.cli.zalo import account_stores
from consumers.doctor import machine, network, services
from consumers.doctor.examination import Check, examine
from consumers.doctor.finding import DoctorFinding, new_finding, unusable
from consumers.email.relay_reports import RelayOut, load_relay_reports
from consumers.errors import KeyFileBroken
from consumers.key_file import KEY_FILE_FIELD
from consumers.messages import field_error, translate
from consumers.progress import report_progress
from consumers.staff.oidc.settings import OidcSettings
from consumers.status.places import describe_place
from contracts.base.addresses import is_mailable
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid
from producers.access import without_password
from producers.bus import Bus, BusError
from producers.output import in_reading_order

app = typer.Typer()
To = Annotated[str, typer.Option(help="Send the test mail to this address as well.")]
Server = Annotated[str, typer.Option(help="HOST or HOST:PORT of the name server to ask.")]
Against = Annotated[str, typer.Option(metavar="URL", help="Also the Date of this address.")]
_TIMEOUT_S = 10.0
"""How long one check may take."""
_PAGE = page(list[DoctorFinding], {1: "a problem"}, on_bus=False)
_REASONS = ("reason", "reply")
"""The values of findings that are reasons of the code, or replies of a relay."""
_LEVEL_LABELS = {Level.OK: "ok", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}


@app.callback(invoke_without_command=True)
@page(list[DoctorFinding], {1: "a problem"}, ("loa doctor", "loa doctor portal"), on_bus=False)
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Examine everything around Loa: disk, clock, proxies, names, mail, Zalo, portal, bus.

    All at once, a line each with the worst finding; a subcommand shows all findings of one.
    """
    if context.invoked_subcommand is None:
        _report(CHECKS, as_json, is_short=True)


def _report(
    names: Iterable[str],
    as_json: bool,
    against: str = "",
    *,
    is_short: bool = False,
) -> None:
    """Run the checks and print what they found; end with 1 for a problem."""
    around = Surroundings(against)
    checks = {name: CHECKS[name](around) for name in names}
    with explain_errors(), progress_bars():
        findings = asyncio.run(examine(checks, _TIMEOUT_S))
    shown = [*_worst(findings)] if is_short else findings
    print_answer(findings, as_json, lambda: _print_around(shown))
    if is_short and not as_json:
        _print_rest(findings, shown)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(EXIT_NEEDS_PERSON)


def _worst(findings: Iterable[DoctorFinding]) -> Iterator[DoctorFinding]:
    """The worst finding of each check, the first of equals."""
    for _, group in groupby(findings, attrgetter("check")):
        yield max(group, key=_weight)


def _weight(one: DoctorFinding | Finding) -> tuple[int, bool]:
    """How bad a finding is: a relay that can't be used, then what receivers think of its mail."""
    return list(Level).index(one.level), one.code.startswith("relay_")


def _print_rest(findings: Iterable[DoctorFinding], shown: Sequence[DoctorFinding]) -> None:
    """Say which checks have found more that is not well, and how much."""
    left = Counter(one.check for one in findings if one.level is not Level.OK)
    left.subtract(one.check for one in shown if one.level is not Level.OK)
    for check, count in (+left).items():
        print_field_texts(field_error(check, "doctor_more", count=count, check=check))


def _print_around(findings: Iterable[DoctorFinding]) -> None:
    for one in findings:
        todo, todo_vi = (f" -> {text}" if text else "" for text in (one.remedy, one.remedy_vi))
        label = f"{_LEVEL_LABELS[one.level]:8}{one.check}:"
        first, second = in_reading_order(one.message + todo, one.message_vi + todo_vi)
        typer.echo(f"{label} {first}\n{'':8}{second}")


@dataclass(frozen=True)
class Surroundings:
    """The checks; each reads its own settings. *against*: an address whose clock is read.

    Each raises Invalid for settings that it can't use.
    """

    against: str = ""

    @property
    def loa(self) -> LoaSettings:
        return read_settings(LoaSettings)

    async def disk(self) -> AsyncIterator[DoctorFinding]:
        loa = self.loa
        async for finding in machine.examine_disks((loa.data_dir, loa.nats_dir, loa.portal_dir)):
            yield finding
        async for finding in self._lost_folder("disk_lost"):
            yield finding

    async def _lost_folder(self, code: str) -> AsyncIterator[DoctorFinding]:
        """The portal's folder, if it is lost; with a bus elsewhere it may be elsewhere, too."""
        if not self.loa.nats_url:
            async for finding in services.examine_folder(self.connect, self.portal_folder, code):
                yield finding

    @property
    def portal_folder(self) -> Path:
        return self.loa.portal_dir.absolute()

    async def clock(self) -> AsyncIterator[DoctorFinding]:
        found = [finding async for finding in services.examine_clock(self.connect)]
        url = self.against or self.loa.public_url
        is_own = is_loopback(network.host_of(url)) and not self.against
        if url and not is_own:
            found += [await _http_clock(url)]
        for finding in found or ([] if is_own else [new_finding("clock_alone")]):
            yield finding
        if is_own:
            yield new_finding("clock_own")

    def proxy(self) -> AsyncIterator[DoctorFinding]:
        return machine.examine_proxies(environment())

    async def dns(self) -> AsyncIterator[DoctorFinding]:
        urls = list[str]()
        for kind, addresses_of in _ADDRESSES:
            try:
                urls += addresses_of(read_settings(kind))
            except Invalid as wrong:
                for finding in unusable("dns", wrong):
                    yield finding
        async for finding in network.examine_names(map(network.host_of, urls)):
            yield finding

    async def mail(self) -> AsyncIterator[DoctorFinding]:
        email = read_settings(EmailSettings)
        async for finding in _examine_mail_worker(email):
            yield finding
        if not email.has_relay:
            return
        async for one in examine_mail("", None):
            texts = one.localized()
            said = {"message": texts["en"], "message_vi": texts["vi"]}
            todo = {"remedy": texts["do_en"], "remedy_vi": texts["do_vi"]}
            yield DoctorFinding(check="mail", code=one.code, level=one.level, **said, **todo)

    def zalo_account(self) -> AsyncIterator[DoctorFinding]:
        return services.examine_zalo(read_settings(ZaloSettings), self._probe_zalo)

    async def _probe_zalo(self) -> AccountStatus | None:
        async with self.connect() as bus:
            if bus is None:
                return None
            zalo = read_settings(ZaloSettings)
            try:
                return await probe_account(zalo, await account_stores(bus, zalo))
            except KeyFileBroken as broken:
                wrong = field_error(KEY_FILE_FIELD, "key_broken", value=self.loa.key_file)
                raise Invalid(wrong) from broken

    async def portal(self) -> AsyncIterator[DoctorFinding]:
        async for finding in self._lost_folder("portal_lost"):
            yield finding
        public = self.loa.portal_dir / "public"
        async for finding in network.examine_portal(self.loa.public_url, public):
            yield finding

    def bus(self) -> AsyncIterator[DoctorFinding]:
        last = instance.last_run(self.loa)
        crashed_at = last.at if last.crashed else None
        return services.examine_bus(
            self.connect,
            is_own=not self.loa.nats_url,
            crashed_at=crashed_at,
            replicas=self.loa.nats_replicas,
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Bus | None]:
        """The bus that is configured, or that of the Loa that runs here; none is started."""
        settings = self.loa
        ready = None if settings.nats_url else await instance.find_running(settings)
        if not (url := settings.nats_url or (ready.nats_url if ready else "")):
            yield None
            return
        patience_s = instance.PROBE_TIMEOUT_S
        access = settings.access()
        connecting = Bus.connect(url, name="loa-doctor", access=access, patience_s=patience_s)
        async with await connecting as bus:
            yield bus


async def _http_clock(url: str) -> DoctorFinding:
    """This machine's clock against the Date of an answer."""
    try:
        answer = await network.fetch(url)
    except (aiohttp.ClientError, TimeoutError):
        return new_finding("clock_unread", place=without_password(url))
    if answer.is_cached:
        return new_finding("clock_cached", place=network.host_of(url))
    return machine.compare_clock(datetime.now(UTC), answer.date, network.host_of(url))


def _zalo_addresses(zalo: ZaloSettings) -> list[str]:
    return [zalo.openapi_url, zalo.business_url, zalo.oauth_url] if zalo.app_id else []


_ADDRESSES: tuple[tuple[type[BaseSettings], Callable[[Any], list[str]]], ...] = (
    (LoaSettings, lambda loa: [*loa.nats_url.split(","), loa.public_url]),
    (DeskSettings, lambda desk: [desk.url]),
    (EmailSettings, lambda email: [relay.host for relay in load_relays(email)]),
    (OidcSettings, lambda oidc: [oidc.issuer]),
    (ZaloSettings, _zalo_addresses),
)
"""The addresses in settings whose hosts are looked up."""

CHECKS: Mapping[str, Callable[[Surroundings], Check]] = {
    "disk": attrgetter("disk"),
    "clock": attrgetter("clock"),
    "proxy": attrgetter("proxy"),
    "dns": attrgetter("dns"),
    "bus": attrgetter("bus"),
    "portal": attrgetter("portal"),
    "mail": attrgetter("mail"),
    "zalo": attrgetter("zalo_account"),
}
"""The checks of `loa doctor`, in the order of its lines."""


class MailFinding(BaseModel):
    """One finding of `doctor mail`, with its remedy."""

    check: str
    code: str
    level: Level
    en: str
    vi: str
    do_en: str
    do_vi: str


@app.command()
@page(
    list[MailFinding],
    {1: "some providers refuse or hide our mail"},
    on_bus=False,
    examples=("loa doctor mail --to an@example.com",),
)
def mail(to: To = "", resolver: Server = "", as_json: Json = False) -> None:
    """Examine whether mail is believed: SPF, DKIM, DMARC, PTR, TLS, and the fields of a test mail.

    Every line says what it means and what to do, in English and in Vietnamese. Judged are the
    settings of this shell; where the worker that sends mail has another relay, that is said first.
    """
    with explain_errors(), progress_bars():
        if to and not is_mailable(to):
            raise Invalid(field_error("to", "no_mail_address"))
        name_server = _parse_server(resolver)
        settings = read_settings(EmailSettings), read_settings(LoaSettings)
        print_errors(asyncio.run(_describe_settings(*settings)))
        findings = asyncio.run(_tell_mail(to, name_server, as_json))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


async def _tell_mail(to: str, server: tuple[str, int] | None, as_json: bool) -> list[Finding]:
    """Print the findings of mail, the worst first, or all as JSON."""
    findings = list[Finding]()
    async for finding in examine_mail(to, server):
        findings.append(finding)
        report_progress("findings", len(findings))
    findings.sort(key=_weight, reverse=True)
    for finding in () if as_json else findings:
        _print_finding(finding)
    if as_json:
        print_json([_as_fact(finding) for finding in findings])
    return findings


def _as_fact(one: Finding) -> dict[str, str]:
    return {"check": one.topic, "code": one.code, "level": one.level} | one.localized()


async def _describe_settings(email: EmailSettings, settings: LoaSettings) -> list[FieldError]:
    """The relay of these settings, and that of the worker if it is another."""
    relay = describe_relays(email) if email.has_relay else ""
    code = "settings_judged" if relay else "no_relay_judged"
    texts = [field_error("settings", code, to=relay.removeprefix("the relay "))]
    with suppress(BusError, Invalid):  # `loa doctor bus` says which setting
        if other := _unless_of(email, await _worker_destination()):
            texts.append(field_error("settings", "settings_differ", to=describe_place(other.to)))
    if settings.units_share_password:
        texts.append(field_error("bus", "units_share_password"))
    return texts


def _unless_of(email: EmailSettings, worker: Destination | None) -> Destination | None:
    """The worker's destination, if there is one and it is not that of *email*."""
    relay = describe_relays(email) if email.has_relay else ""
    return worker if worker and relay != ("" if worker.stand_in else worker.to) else None


async def _worker_destination() -> Destination | None:
    """The destination of mail as its worker has published it; None where no Loa runs.

    Raises BusError, Invalid.
    """
    async with Surroundings().connect() as bus:
        found = await destinations.load_destinations(bus) if bus else {}
        return found.get(ChannelName.EMAIL)


async def _relays_out() -> tuple[RelayOut, ...]:
    """The relays that workers leave out. Raises BusError, Invalid."""
    async with Surroundings().connect() as bus:
        return (await load_relay_reports(bus)).relays_out(time.time()) if bus else ()


async def _examine_mail_worker(email: EmailSettings) -> AsyncIterator[DoctorFinding]:
    """Where the worker's mail goes, and whether *email* says the same."""
    try:
        worker, relays_out = await _worker_destination(), await _relays_out()
    except (BusError, Invalid):  # `loa doctor bus` says which setting
        yield new_finding("mail_worker_unread")
        return
    if worker and worker.failing:
        place, why = describe_place(worker.to), translate(worker.failing)
        yield new_finding("mail_worker_fails", to=place, reason=why)
    for relay in relays_out:
        why = translate(relay.reason)
        yield new_finding("mail_relay_out", relay=relay.name, reason=why)
    if other := _unless_of(email, worker):
        yield new_finding("mail_other_settings", to=describe_place(other.to))
    elif not email.has_relay:
        yield new_finding("mail_no_relay")


async def examine_mail(to: str, server: tuple[str, int] | None) -> AsyncIterator[Finding]:
    """Findings about mail; with *to* also the relay's answer to a sample."""
    doctor = Doctor(mail_context(), DnsClient(server), datetime.now(UTC))
    async for finding in doctor.examine():
        yield _in_both_languages(finding)
    if to:
        yield _in_both_languages(await doctor.send_sample(to))


def _in_both_languages(finding: Finding) -> Finding:
    """*finding* with its reason in Vietnamese, too."""
    said = {name: translate(str(it)) for name, it in finding.values.items() if name in _REASONS}
    return replace(finding, values={**finding.values, **said})


def _parse_server(text: str) -> tuple[str, int] | None:
    """Parse HOST or HOST:PORT. Raises Invalid for a port that is no number."""
    host, _, port = text.partition(":")
    if port and not port.isdecimal():
        raise Invalid(field_error("resolver", "no_host_and_port", value=text))
    return (host, int(port or DNS_PORT)) if host else None


@app.command()
@_PAGE
def disk(as_json: Json = False) -> None:
    """Examine the disks: room, inodes, read-only or not, and whether a synced write works."""
    _report(["disk"], as_json)


@app.command()
@_PAGE
def clock(against: Against = "", as_json: Json = False) -> None:
    """Compare the clock with that of the bus's server, and with the Date of an HTTP answer."""
    _report(["clock"], as_json, against)


@app.command()
@_PAGE
def proxy(as_json: Json = False) -> None:
    """Name the variables for proxies that are set, and say what Loa makes of them."""
    _report(["proxy"], as_json)


@app.command()
@_PAGE
def dns(as_json: Json = False) -> None:
    """Look up every host name of the settings, and say how long that takes."""
    _report(["dns"], as_json)


@app.command()
@_PAGE
def bus(as_json: Json = False) -> None:
    """Examine the bus: reachable, new enough, syncing before it acknowledges, with room."""
    _report(["bus"], as_json)


@app.command()
@_PAGE
def portal(as_json: Json = False) -> None:
    """Look at LOA_PUBLIC_URL from this machine: is it this Loa's page, with a valid certificate."""
    _report(["portal"], as_json)


@app.command()
@_PAGE
def zalo(as_json: Json = False) -> None:
    """Examine Zalo: hosts, token, account, and what each task lacks."""
    _report(["zalo"], as_json)


def _print_finding(finding: Finding) -> None:
    texts = finding.localized()
    typer.echo(f"{_LEVEL_LABELS[finding.level]:8}{finding.topic}: {texts['en']}")
    typer.echo(f"{'':8}{texts['vi']}")
    if texts["do_en"]:
        typer.echo(f"{'':8}-> {texts['do_en']}\n{'':8}-> {texts['do_vi']}")
