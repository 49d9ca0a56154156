"""`loa doctor`: examine the settings and services around Loa."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import BaseModel

from channels.email.doctor.dns_client import DNS_PORT, DnsClient
from channels.email.doctor.doctor import Doctor
from channels.email.doctor.finding import Finding, Level
from channels.email.settings import EmailSettings
from consumers.app import instance
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring.email import describe_relays
from consumers.channel_health import destinations
from consumers.channel_health.destinations import Destination
from consumers.cli.mail import mail_context
from consumers.cli.output import Json, explain_errors, page, print_answer, print_errors
from consumers.messages import field_error, translate
from contracts.base.addresses import is_mailable
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid
from producers.bus import Bus, BusError

app = typer.Typer()
To = Annotated[str, typer.Option(help="Send the test mail to this address as well.")]
Server = Annotated[str, typer.Option(help="HOST or HOST:PORT of the name server to ask.")]
_LEVEL_LABELS = {Level.OK: "ok", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}


@app.callback(invoke_without_command=True)
def doctor(context: typer.Context) -> None:
    """Examine the settings and services around Loa: mail, unless told what."""
    if context.invoked_subcommand is not None:
        return
    with explain_errors():
        has_relay = bool(read_settings(EmailSettings).host)
    print_errors(
        [field_error("doctor", "mail_is_examined" if has_relay else "no_relay_to_examine")]
    )
    if has_relay:
        mail()


class MailFinding(BaseModel):
    """One finding of `doctor mail`: what was found, and what to do."""

    check: str
    code: str
    level: Level
    en: str
    vi: str
    do_en: str
    do_vi: str


@app.command()
@page(list[MailFinding], {1: "some providers refuse or hide our mail"}, on_bus=False)
def mail(to: To = "", resolver: Server = "", as_json: Json = False) -> None:
    """Examine whether mail is believed: SPF, DKIM, DMARC, PTR, TLS, and the fields of a test mail.

    Every line says what it means and what to do, in English and in Vietnamese. Judged are the
    settings of this shell; where the worker that sends mail has another relay, that is said first.
    """
    with explain_errors():
        if to and not is_mailable(to):
            raise Invalid(field_error("to", "no_mail_address"))
        name_server = _parse_server(resolver)
        settings = read_settings(EmailSettings), read_settings(LoaSettings)
        print_errors(asyncio.run(_describe_settings(*settings)))
        findings = asyncio.run(examine_mail(to, name_server))
    facts = [
        {"check": finding.topic, "code": finding.code, "level": finding.level} | finding.localized()
        for finding in findings
    ]
    print_answer(facts, as_json, lambda: _print_findings(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


async def _describe_settings(email: EmailSettings, settings: LoaSettings) -> list[FieldError]:
    """The relay of these settings, and that of the worker if it is another."""
    relay = describe_relays(email) if email.host else ""
    code = "settings_judged" if relay else "no_relay_judged"
    texts = [field_error("settings", code, to=relay.removeprefix("the relay "))]
    destination = await _worker_destination(settings)
    if destination and relay != ("" if destination.stand_in else destination.to):
        texts.append(field_error("settings", "settings_differ", to=translate(destination.to)))
    if settings.units_share_password:
        texts.append(field_error("bus", "units_share_password"))
    return texts


async def _worker_destination(settings: LoaSettings) -> Destination | None:
    """The destination of mail as its worker has published it; None without a bus."""
    ready = None if settings.nats_url else await instance.find_running(settings)
    if not (url := settings.nats_url or (ready.nats_url if ready else "")):
        return None
    try:
        patience_s = instance.PROBE_TIMEOUT_S
        connecting = Bus.connect(
            url, name="loa-doctor", access=settings.access(), patience_s=patience_s
        )
        async with await connecting as bus:
            return (await destinations.load_destinations(bus)).get(ChannelName.EMAIL)
    except BusError:
        return None


async def examine_mail(to: str, server: tuple[str, int] | None) -> list[Finding]:
    doctor = Doctor(mail_context(), DnsClient(server), datetime.now(UTC))
    findings = await doctor.examine()
    return [*findings, await doctor.send_sample(to)] if to else findings


def _parse_server(text: str) -> tuple[str, int] | None:
    """Parse HOST or HOST:PORT. Raises Invalid for a port that is no number."""
    host, _, port = text.partition(":")
    if port and not port.isdecimal():
        raise Invalid(field_error("resolver", "no_host_and_port", value=text))
    return (host, int(port or DNS_PORT)) if host else None


def _print_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        texts = finding.localized()
        typer.echo(f"{_LEVEL_LABELS[finding.level]:8}{finding.topic}: {texts['en']}")
        typer.echo(f"{'':8}{texts['vi']}")
        if texts["do_en"]:
            typer.echo(f"{'':8}-> {texts['do_en']}\n{'':8}-> {texts['do_vi']}")
