"""All commands of `loa`, in groups."""

import gc
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from consumers.app.environment import environment, real_environment
from consumers.cli.word_completion import summaries
from consumers.runtime import log_config, stdio
from contracts.errors import FieldError, Invalid
from producers.command_pages import SETTINGS, HelpLanguage, Version, complete_page
from producers.command_pages.language import Variables
from producers.output import ErrorAnswer, fail, print_errors, print_json
from producers.usage_errors import CommandGroup

if TYPE_CHECKING:
    from producers.bus import Bus
    from producers.cli import ClientSettings

_CLI_PACKAGE = "consumers.cli"


class Group(StrEnum):
    """The groups of the commands in the help of `loa`."""

    RUN = "Run"
    PUBLISH = "Publish"
    LOOK = "Look"
    ACT = "Act"
    PEOPLE = "People"
    KEEP = "Keep"


class CommandPath(NamedTuple):
    """The module of a command, or of a group of commands."""

    group: Group
    module: str
    name: str = "app"

    def load(self, word: str) -> Any:
        """Load the command that is called as *word*."""
        target = getattr(import_module(self.module), self.name)
        if isinstance(target, typer.Typer):
            command: Any = get_group(target)  # without options of its own to install completion
        else:
            single = typer.Typer(add_completion=False)
            single.command(word)(target)
            command = get_command(single)
        command.name, command.rich_help_panel = word, self.group
        return complete_page(command, Commands.help_language)


def _path(group: Group, module: str, name: str = "app") -> CommandPath:
    return CommandPath(group, f"{_CLI_PACKAGE}.{module}", name)


def _help_variables() -> Variables:
    """The environment and `.env`; help needs no `.env` that can be read."""
    try:
        return environment()
    except Invalid:
        return real_environment()


class Commands(CommandGroup):
    """Every command of `loa`, in the order of its help; each is imported when it is used."""

    help_language: ClassVar = HelpLanguage(
        (*HelpLanguage().catalogs, Path(__file__).with_name("help.vi.toml")), _help_variables
    )
    command_paths: ClassVar = {
        "up": _path(Group.RUN, "run", "up"),
        "run": _path(Group.RUN, "run", "run"),
        "demo": _path(Group.RUN, "demo", "demo"),
        "config": _path(Group.RUN, "config"),
        "doctor": _path(Group.RUN, "doctor"),
        "bus": _path(Group.RUN, "bus"),
        "completion": _path(Group.RUN, "completion", "completion"),
        "publish": CommandPath(Group.PUBLISH, "producers.cli", "publish"),
        "validate": CommandPath(Group.PUBLISH, "producers.cli", "validate"),
        "schemas": CommandPath(Group.PUBLISH, "producers.cli", "schemas"),
        "conformance": CommandPath(Group.PUBLISH, "producers.cli", "conformance"),
        "convert": _path(Group.PUBLISH, "convert", "convert"),
        "import": _path(Group.PUBLISH, "imports"),
        "status": _path(Group.LOOK, "status", "status"),
        "top": _path(Group.LOOK, "top", "top"),
        "items": _path(Group.LOOK, "item_list"),
        "trace": _path(Group.LOOK, "items", "trace"),
        "check": _path(Group.LOOK, "check", "check"),
        "opinions": _path(Group.LOOK, "items", "opinions"),
        "facts": _path(Group.LOOK, "facts"),
        "report": _path(Group.LOOK, "reports"),
        "digests": _path(Group.LOOK, "digests", "digests"),
        "desk": _path(Group.ACT, "desk"),
        "bulletin": _path(Group.ACT, "bulletin"),
        "campaign": _path(Group.ACT, "campaign"),
        "withdraw": _path(Group.ACT, "withdrawals", "withdraw"),
        "dead": _path(Group.ACT, "dead_letters"),
        "pause": _path(Group.ACT, "channels", "pause"),
        "resume": _path(Group.ACT, "channels", "resume"),
        "mail": _path(Group.ACT, "mail"),
        "zalo": _path(Group.ACT, "zalo"),
        "login": _path(Group.PEOPLE, "login", "login"),
        "logout": _path(Group.PEOPLE, "login", "logout"),
        "whoami": _path(Group.PEOPLE, "login", "whoami"),
        "sessions": _path(Group.PEOPLE, "login", "sessions"),
        "staff": _path(Group.PEOPLE, "staff"),
        "units": _path(Group.PEOPLE, "units"),
        "callbacks": _path(Group.PEOPLE, "callbacks"),
        "subscribers": _path(Group.PEOPLE, "subscribers"),
        "backup": _path(Group.KEEP, "recovery", "save_backup"),
        "restore": _path(Group.KEEP, "recovery", "restore_backup"),
        "rebuild": _path(Group.KEEP, "recovery", "rebuild_projections"),
        "retention": _path(Group.KEEP, "retention"),
        "audit": _path(Group.KEEP, "audit"),
    }

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- the library's signature
        return list(self.command_paths)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        path = self.command_paths.get(cmd_name)
        return path.load(cmd_name) if path else None

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it refuses, such as a wrong setting, is told by its name."""
        try:
            return super().invoke(ctx)
        except Invalid as wrong:
            _fail(wrong)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The page of `loa`, whose list of commands loads none of them."""
        complete_page(_ListedCommands(self), self.help_language).format_help(ctx, formatter)


def _fail(wrong: Invalid) -> NoReturn:
    from consumers.cli.output import fail_for_settings  # loaded by what was refused
    from consumers.errors import WrongSettings

    if isinstance(wrong, WrongSettings):
        fail_for_settings(wrong)
    fail(*wrong.errors)


class _ListedCommands(CommandGroup):
    """The same commands for their list: a name, a sentence and a group for each."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(name=commands.name, help=commands.help, params=commands.params)
        said, paths = summaries(), commands.command_paths
        self.commands = {
            name: TyperCommand(name, help=said[name], rich_help_panel=path.group)
            for name, path in paths.items()
        }
        self.rich_markup_mode = commands.rich_markup_mode

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self.commands)


app = typer.Typer(
    cls=Commands,
    context_settings=SETTINGS,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def loa(context: typer.Context, version: Version = False) -> None:  # noqa: ARG001 -- it ends it
    """Loa: the notification platform of the Ministry of Home Affairs."""
    from consumers.app.unknown_variables import unknown_variables  # loads every channel's settings

    if context.invoked_subcommand != "config":  # which tells them itself
        with suppress(Invalid):  # a `.env` that a command can't read, and help does without
            print_errors(unknown_variables())


def run() -> None:
    """Run the command of this process's words."""
    stdio.prepare_output()
    log_config.configure(service=False)
    try:
        app(obj=client_settings, prog_name="loa")
    finally:
        sys.excepthook = _report_failure  # the framework has set its own, which prints values
        gc.freeze()  # otherwise a fifth of a command's time is Python's last search for garbage


def _report_failure(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Exception hook: also under `--json` a command that fails unforeseen has an answer."""
    log_config.log_process_failure(kind, error, traceback)
    if "--json" in sys.argv and isinstance(error, Exception):
        from consumers.messages import field_error  # loaded by such a failure

        failure = field_error("loa", "command_failed", detail=kind.__name__)
        print_json(ErrorAnswer(errors=[failure]))


def client_settings() -> "ClientSettings":
    """Settings of the commands that are also in the client's wheel; `.env` included."""
    from consumers.app.settings import LoaSettings, read_settings  # only for such a command
    from producers.cli import ClientSettings

    settings = read_settings(LoaSettings)
    return ClientSettings(settings.data_dir, settings.nats_url, settings.access(), _find_refusal)


async def _find_refusal(bus: "Bus", event_id: str, content_id: str) -> Sequence[FieldError]:
    """Why an event was refused; a key without the right to read that does not tell."""
    from consumers.reporting.refusals import find_refusal  # only for a published event
    from producers.bus import BusError

    try:
        return await find_refusal(bus, event_id, content_id)
    except BusError:
        return ()
