"""`loa doctor`: whether what surrounds Loa is as it has to be."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from channels.email.doctor.examine import Doctor
from channels.email.doctor.finding import Finding, Level
from channels.email.doctor.names import PORT, Names
from channels.email.guard import mail_address
from consumers.app.variables import unknown
from consumers.cli.answers import Json, complain, explained, print_json
from consumers.cli.mail import house
from consumers.faults import fault
from contracts.errors import Invalid

app = typer.Typer(no_args_is_help=True, help="Is what surrounds Loa as it has to be?")
To = Annotated[str, typer.Option(help="Send the test mail to this address as well.")]
Server = Annotated[str, typer.Option(help="HOST or HOST:PORT of the name server to ask.")]
SIGNS = {Level.OK: "ok", Level.WARNING: "WARNING", Level.PROBLEM: "PROBLEM"}


@app.callback()
def nothing() -> None:
    """One examination for now."""


@app.command()
def mail(to: To = "", resolver: Server = "", as_json: Json = False) -> None:
    """Will our mail be believed? SPF, DKIM, DMARC, PTR, the relay's TLS, the fields of a test mail.

    Exit code 1 when there is a problem: some providers refuse or hide our mail. Every line says
    what it means and what to do, in English and in Vietnamese.
    """
    complain(unknown())
    with explained():
        findings = asyncio.run(examined(to, server(resolver)))
    if as_json:
        print_json([fact(finding) for finding in findings])
    else:
        for finding in findings:
            tell(finding)
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


async def examined(to: str, server: tuple[str, int] | None) -> list[Finding]:
    """Raises Invalid for an address that is none."""
    if to and not mail_address(to):
        raise Invalid(fault("to", "no_mail_address"))
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
