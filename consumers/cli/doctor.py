"""`loa doctor`: whether what surrounds Loa is as it has to be."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from channels.email.doctor.examine import Doctor
from channels.email.doctor.finding import Finding, Level
from channels.email.doctor.names import PORT, Names
from channels.email.guard import mail_address
from channels.email.settings import EmailSettings
from consumers import outlets
from consumers.app import running
from consumers.app.outlets import relays
from consumers.app.settings import LoaSettings, read
from consumers.app.variables import unknown
from consumers.cli.answers import Json, complain, explained, print_json
from consumers.cli.mail import house
from consumers.faults import fault, word
from consumers.outlets import Outlet
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid
from producers.bus import Bus, BusError

app = typer.Typer()
To = Annotated[str, typer.Option(help="Send the test mail to this address as well.")]
Server = Annotated[str, typer.Option(help="HOST or HOST:PORT of the name server to ask.")]
SIGNS = {Level.OK: "ok", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}


@app.callback(invoke_without_command=True)
def doctor(context: typer.Context) -> None:
    """Is what surrounds Loa as it has to be? Examines mail, unless it is told what."""
    if context.invoked_subcommand is None:
        complain([fault("doctor", "mail_is_examined")])
        mail()


@app.command()
def mail(to: To = "", resolver: Server = "", as_json: Json = False) -> None:
    """Will our mail be believed? SPF, DKIM, DMARC, PTR, the relay's TLS, the fields of a test mail.

    Exit code 1 when there is a problem: some providers refuse or hide our mail. Every line says
    what it means and what to do, in English and in Vietnamese. Judged are the settings of this
    shell; where the worker that sends mail has another relay, that is said first.
    """
    complain(unknown())
    with explained():
        whom = checked(to), server(resolver)
        complain(asyncio.run(judged(read(EmailSettings), read(LoaSettings))))
        findings = asyncio.run(examined(*whom))
    if as_json:
        print_json([fact(finding) for finding in findings])
    else:
        for finding in findings:
            tell(finding)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


def checked(to: str) -> str:
    """Raises Invalid for an address that is none."""
    if to and not mail_address(to):
        raise Invalid(fault("to", "no_mail_address"))
    return to


async def judged(email: EmailSettings, settings: LoaSettings) -> list[FieldError]:
    """Whose settings these are; and the worker's relay, where it has left word of another."""
    here = relays(email) if email.host else ""
    code = "settings_judged" if here else "no_relay_judged"
    first = fault("settings", code, to=here.removeprefix("the relay "))
    sent = await outlet(settings)
    theirs = "" if sent is None or sent.stand_in else sent.to
    if sent is None or theirs == here:
        return [first]
    return [first, fault("settings", "settings_differ", to=word(sent.to))]


async def outlet(settings: LoaSettings) -> Outlet | None:
    """Where mail goes, in the words of the worker that sends it; None where no bus answers."""
    ready = None if settings.nats_url else await running.running(settings)
    if not (url := settings.nats_url or (ready.nats_url if ready else "")):
        return None
    try:
        async with await Bus.connect(
            url, name="loa-doctor", creds_file=settings.nats_creds_file, patience_s=running.LOOK_S
        ) as bus:
            return (await outlets.outlets(bus)).get(ChannelName.EMAIL)
    except BusError:
        return None


async def examined(to: str, server: tuple[str, int] | None) -> list[Finding]:
    doctor = Doctor(house(), Names(server), datetime.now(UTC))
    findings = await doctor.examine()
    return [*findings, await doctor.send(to)] if to else findings


def server(text: str) -> tuple[str, int] | None:
    """Raises Invalid for a port that is none."""
    host, _, port = text.partition(":")
    if port and not port.isdecimal():
        raise Invalid(fault("resolver", "no_host_and_port", value=text))
    return (host, int(port or PORT)) if host else None


def fact(finding: Finding) -> dict[str, str]:
    return {"check": finding.topic, "code": finding.code, "level": finding.level, **finding.words()}


def tell(finding: Finding) -> None:
    words = finding.words()
    typer.echo(f"{SIGNS[finding.level]:8}{finding.topic}: {words['en']}")
    typer.echo(f"{'':8}{words['vi']}")
    if words["do_en"]:
        typer.echo(f"{'':8}-> {words['do_en']}\n{'':8}-> {words['do_vi']}")
