"""`loa zalo templates`: which template of Zalo serves which kind of case notice."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

import typer

from channels.notices import KINDS
from channels.zalo.serving import servings
from channels.zalo.template_book import Book
from channels.zalo.templates import Templates
from consumers.app import channels
from consumers.cli.account import account, stores, tell_kinds
from consumers.cli.answers import Json, explained, on_bus, print_json
from consumers.faults import fault
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The templates of case notices.")
Order = Callable[[Templates], Awaitable[Book]]
Kind = Annotated[str, typer.Argument(help="A status code from 1 to 10, or apology.")]


@app.command("list")
def show(as_json: Json = False) -> None:
    """Each kind of notice with its template, as Zalo last judged it. Asks Zalo nothing."""
    answer(ordered(Templates.book), as_json)


@app.command("set")
def choose(
    kind: Kind,
    template_id: Annotated[str, typer.Argument(help="As account.zalo.cloud shows it.")],
    as_json: Json = False,
) -> None:
    """Let a template serve a kind of notice.

    Zalo is asked for its parameters: one that wants what not every notice of that kind can say is
    refused. A template that is not approved yet may be set; its notices wait.
    """
    known(kind)
    answer(ordered(lambda registry: registry.register({kind: template_id})), as_json)


@app.command()
def remove(kind: Kind, as_json: Json = False) -> None:
    """Let no template serve a kind of notice; such notices wait."""
    known(kind)

    async def order(registry: Templates) -> Book:
        await registry.remove(kind)
        return await registry.book()

    answer(ordered(order), as_json)


@app.command()
def sync(as_json: Json = False) -> None:
    """Ask Zalo now how it judges the templates; the worker does so every four hours."""
    answer(ordered(Templates.sync), as_json)


def ordered(order: Order) -> Book:
    """Carry *order* out on the registry that all processes share."""
    with explained():
        ours = account()

    async def work(bus: Bus) -> Book:
        async with channels.templates(ours, await stores(bus, ours)) as registry:
            return await order(registry)

    return on_bus(work)


def known(kind: str) -> None:
    """Exit code 2 for what is no kind of notice."""
    if kind not in KINDS:
        with explained():
            raise Invalid(fault("kind", "kind_unknown", value=kind, known=", ".join(KINDS)))


def answer(book: Book, as_json: bool) -> None:
    found = servings(book)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        tell_kinds(found)
