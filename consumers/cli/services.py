"""`loa up` and `loa run`: the processes."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from consumers import logs
from consumers.app import SERVICES, variables
from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import INVALID, complain, explained
from consumers.faults import fault

Data = Annotated[Path | None, typer.Option("--data", help="The data folder (LOA_DATA_DIR).")]
Port = Annotated[int | None, typer.Option("--port", help="The HTTP port; 0: the system chooses.")]
Names = Annotated[list[str], typer.Argument(help="Services: " + " ".join(SERVICES))]


def up(data: Data = None, port: Port = None) -> None:
    """Run everything in one process, with local stand-ins for what is not configured."""
    chosen: dict[str, Any] = {"data_dir": data, "http_port": port}
    serve({name: value for name, value in chosen.items() if value is not None}, None)


def run(services: Names) -> None:
    """Run the named services in this process, until SIGTERM."""
    unknown = [name for name in services if name not in SERVICES]
    if unknown:
        known = ", ".join(SERVICES)
        complain(fault("service", "service_unknown", value=name, known=known) for name in unknown)
        raise typer.Exit(INVALID)
    serve({}, services)


def serve(chosen: dict[str, Any], services: list[str] | None) -> None:
    from consumers.app import process  # half a second of imports that no other command needs

    with explained():
        settings = read(LoaSettings, **chosen)
        logs.configure(settings.log_format, service=True)
        sys.excepthook = logs.ended
        complain(variables.unknown())
        variables.warn()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(process.run(settings, services))


def loop_factory() -> Any:
    """uvloop where it installs, asyncio's own loop elsewhere."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
