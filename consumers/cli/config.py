"""`loa config`: the settings in use, their sources, and their errors."""

from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.app.configuration import EffectiveSetting, effective_settings, find_problems
from consumers.cli import output
from consumers.messages import field_error
from contracts.errors import FieldError
from producers.output import print_bilingual

app = typer.Typer(no_args_is_help=True, help="Show the settings, and check them all at once.")
Changed = Annotated[bool, typer.Option("--changed", help="Only what differs from the default.")]


class ConfigAnswer(BaseModel):
    """The answer of `check`: errors stop a start or a service, warnings do not."""

    ok: bool
    errors: list[FieldError]
    warnings: list[FieldError]


@app.command()
@output.page(
    ConfigAnswer,
    {1: "only warnings", 2: "errors: a start, or a service, would be refused"},
    ("loa config check", "loa config check --json"),
    on_bus=False,
)
def check(as_json: output.Json = False) -> None:
    """Check every setting, secret and file, and name all problems at once.

    Nothing is started, and the bus is not asked. Judged are the variables of this shell and `.env`.
    """
    errors, warnings = find_problems()
    answer = ConfigAnswer(ok=not errors, errors=errors, warnings=warnings)
    output.print_answer(answer, as_json, lambda: _print_problems(answer))
    if errors or warnings:
        raise typer.Exit(output.EXIT_INVALID if errors else output.EXIT_NEEDS_PERSON)


def _print_problems(answer: ConfigAnswer) -> None:
    for mark, mark_vi, texts in (
        ("PROBLEM", "SAI", answer.errors),
        ("WARNING", "CHÚ Ý", answer.warnings),
    ):
        for one in texts:
            place = one.field
            en, vi = f"{mark} {place}: {one.message}", f"{mark_vi} {place}: {one.message_vi}"
            print_bilingual(en, vi)
    if not (answer.errors or answer.warnings):
        output.print_field_texts(field_error("config", "config_is_well"))


@app.command()
@output.page(
    list[EffectiveSetting],
    examples=("loa config show --changed", "loa config show --json"),
    on_bus=False,
)
def show(changed: Changed = False, as_json: output.Json = False) -> None:
    """Show every setting as Loa uses it, and where it comes from; secrets stay hidden."""
    with output.explain_errors():
        known = effective_settings()
    settings = [one for one in known if one.is_changed or not changed]
    output.print_answer(settings, as_json, lambda: _print_settings(settings))


def _print_settings(settings: list[EffectiveSetting]) -> None:
    rows = [(one.variable, one.value, one.file or one.origin) for one in settings]
    output.print_table(("variable", "value", "from"), rows, empty="settings_all_default")
