"""`loa zalo templates`: which template of Zalo serves which kind of case notice."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

import typer

from channels.case_notice_texts import NOTICE_KINDS
from channels.zalo.case_notices.template_by_kind import template_statuses
from channels.zalo.case_notices.template_models import RegisteredTemplates
from channels.zalo.case_notices.template_registry import TemplateRegistry
from consumers.app.wiring import zalo
from consumers.cli.output import Json, explain_errors, fail, print_answer, run_on_bus
from consumers.cli.zalo_account import account_stores, chosen_account, print_kinds
from consumers.messages import field_error
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The templates of case notices.")
Order = Callable[[TemplateRegistry], Awaitable[RegisteredTemplates]]
Kind = Annotated[str, typer.Argument(help="A status code from 1 to 10, or apology.")]


@app.command("list")
def list_templates(as_json: Json = False) -> None:
    """Each kind of notice with its template, as Zalo last judged it. Asks Zalo nothing."""
    print_templates(run_order(TemplateRegistry.current), as_json)


@app.command("set")
def set_template(
    kind: Kind,
    template_id: Annotated[str, typer.Argument(help="As account.zalo.cloud shows it.")],
    as_json: Json = False,
) -> None:
    """Let a template serve a kind of notice.

    Zalo is asked for its parameters: one that wants what not every notice of that kind can say is
    refused. A template that is not approved yet may be set; its notices wait.
    """
    require_kind(kind)
    print_templates(run_order(lambda registry: registry.register({kind: template_id})), as_json)


@app.command()
def remove(kind: Kind, as_json: Json = False) -> None:
    """Let no template serve a kind of notice; such notices wait."""
    require_kind(kind)

    async def order(registry: TemplateRegistry) -> RegisteredTemplates:
        await registry.remove(kind)
        return await registry.current()

    print_templates(run_order(order), as_json)


@app.command()
def sync(as_json: Json = False) -> None:
    """Ask Zalo now how it judges the templates; the worker does so every four hours."""
    print_templates(run_order(TemplateRegistry.sync), as_json)


def run_order(order: Order) -> RegisteredTemplates:
    """Carry *order* out on the registry that all processes share."""
    with explain_errors():
        ours = chosen_account()

    async def work(bus: Bus) -> RegisteredTemplates:
        async with zalo.template_registry(ours, await account_stores(bus, ours)) as registry:
            return await order(registry)

    return run_on_bus(work)


def require_kind(kind: str) -> None:
    """Exit code 2 for what is no kind of notice."""
    if kind not in NOTICE_KINDS:
        fail(field_error("kind", "kind_unknown", value=kind, known=", ".join(NOTICE_KINDS)))


def print_templates(templates: RegisteredTemplates, as_json: bool) -> None:
    statuses = template_statuses(templates)
    answer = [asdict(status) for status in statuses]
    print_answer(answer, as_json, lambda: print_kinds(statuses))
