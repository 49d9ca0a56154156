"""`loa up` and `loa run`: start services in this process."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app import unknown_variables
from consumers.app.service_names import SERVICE_NAMES
from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.output import EXIT_MACHINE, explain_errors, fail, page, print_errors
from consumers.messages import field_error
from consumers.runtime import log_config, stdio
from contracts.errors import unknown_word_values

log = structlog.get_logger()
Data = Annotated[Path | None, typer.Option("--data", help="The data folder (LOA_DATA_DIR).")]
Port = Annotated[int | None, typer.Option("--port", help="The HTTP port; 0: the system chooses.")]
Names = Annotated[
    list[str], typer.Argument(metavar="SERVICE", help="Services: " + " ".join(SERVICE_NAMES))
]


_CODES = {
    1: "failed for an unforeseen reason; the log says why",
    3: "the bus refused the start",
    EXIT_MACHINE: "this machine refuses for now: a full disk, a port that is taken",
}


@page(codes=_CODES, examples=("loa up", "loa up --data /srv/loa --port 8080"))
def up(data: Data = None, port: Port = None) -> None:
    """Run everything in one process, with local stand-ins for what is not configured."""
    chosen: dict[str, Any] = {"data_dir": data, "http_port": port}
    _run_services({name: value for name, value in chosen.items() if value is not None}, None)


@page(codes=_CODES, examples=("loa run gateway intake dispatch",))
def run(services: Names) -> None:
    """Run the named services in this process, until SIGTERM."""
    if unknown := [name for name in services if name not in SERVICE_NAMES]:
        values = [unknown_word_values(name, SERVICE_NAMES) for name in unknown]
        fail(*(field_error("service", "service_unknown", **one) for one in values))
    _run_services({}, services)


def _run_services(overrides: dict[str, Any], services: list[str] | None) -> None:
    # half a second of imports that no other command needs
    from consumers.app import process
    from consumers.app.wiring import stand_ins

    closed = stdio.open_closed_streams()
    with explain_errors(EXIT_MACHINE):
        settings = read_settings(LoaSettings, **overrides)
        log_config.configure(settings.log_format, service=True)
        sys.excepthook = log_config.log_process_failure
        _report_closed(closed)
        unknown_variables.warn_of_unknown()
        if services is None:
            unknown_variables.require_valid()
        if services is None and settings.exposed_by:
            email, zalo = read_settings(EmailSettings), read_settings(ZaloSettings)
            print_errors(stand_ins.describe_withheld(settings, email, zalo))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(process.run(settings, services))


def _report_closed(streams: list[str]) -> None:
    """Report standard streams that were closed at the start, on stderr and in the log."""
    print_errors(field_error(name, "stdio_closed") for name in streams)
    if streams:
        log.warning("stdio_closed", streams=streams)


def _loop_factory() -> Any:
    """uvloop where it installs, asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
