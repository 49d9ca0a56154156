"""`loa items`: lists of content items."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated

import typer
from pydantic import BaseModel

from consumers.cli import output
from consumers.cli.acts import By, look
from consumers.cli.authorization import names_by_id
from consumers.cli.filters import Limit, Since, check_topic, check_unit, require_time
from consumers.desk.access import item_facts
from consumers.messages import field_error, translate
from consumers.reporting.item_list import ItemFilter, ItemLister, ListedItem
from consumers.runtime.store_check import store_problem
from consumers.staff.authorization import ReadingRight
from consumers.staff.policy import ObjectFacts
from contracts.delivery import ChannelName
from contracts.errors import FieldError
from contracts.text.limits import TextLimit, shorten
from contracts.text.moments import format_for_people
from contracts.trace import TraceState
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="List content items.")
_WITHOUT_TERMINAL = 4000
"""Columns in a pipe or a file: a title is not cut there."""
_WITH_PEOPLE = {"desk": "held_by_desk", "author": "held_by_author"}
_TROUBLES = (
    *("failed", "suppressed", "expired", "unknown"),
    *("in_doubt", "deferred", "missing", "maybe_duplicate"),
)
State = Annotated[
    TraceState | None, typer.Option(help="Where they are; what intake refused: `loa dead list`.")
]
Held = Annotated[
    bool,
    typer.Option(
        "--held",
        help="What waits for the desk, its author, an operator or Zalo, or a bus that can't store.",
    ),
]
Missing = Annotated[
    bool, typer.Option("--missing", help="A channel has not planned all its recipients yet.")
]
Unit = Annotated[str, typer.Option(metavar="UNIT", help="The unit that owns them.")]
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Their topic.")]


class ItemsAnswer(BaseModel):
    """Items, the last changed first; `more`: others are beyond the limit."""

    items: list[ListedItem]
    more: bool = False


@app.command("list")
@output.page(ItemsAnswer, examples=("loa items list --held", "loa items list --since 12h"))
def list_items(
    state: State = None,
    held: Held = False,
    missing: Missing = False,
    unit: Unit = "",
    topic: Topic = "",
    since: Since = "",
    limit: Limit = 20,
    by: By = "",
    as_json: output.Json = False,
) -> None:
    """List items, the last changed first: title, unit, topic, state, and counts per channel.

    Only as much of the store is read as the list needs.
    """
    with output.explain_errors():
        moment = require_time("since", since) if since else None
    wanted = ItemFilter(unit, topic, state or "", held, missing, moment)

    async def load(bus: Bus, own: bool) -> tuple[ItemsAnswer, Mapping[str, str]]:
        right = await look(bus, "item.read", "", by)
        lister = _open_lister(bus, wanted, right)
        if not own:  # without a Loa nothing is planned, whatever the bus stores
            lister.find_store_problem = partial(store_problem, bus)
        return await _load(lister, limit)

    answer, names = output.run_on_any_bus(load)
    output.print_answer(answer, as_json, lambda: _print(answer, state, names))


def _open_lister(bus: Bus, wanted: ItemFilter, right: ReadingRight) -> ItemLister:
    """The lister of what the person may see, with what people wrote where drafts may be read."""
    return ItemLister(
        bus,
        wanted,
        lambda item: right.covers(ObjectFacts(item.unit, item.topic)),
        lambda state: right.reads_drafts(item_facts(state)),
    )


async def _load(lister: ItemLister, limit: int) -> tuple[ItemsAnswer, Mapping[str, str]]:
    """The answer, and the names of accounts by id where it has some."""
    answer = await _find(lister, limit)
    is_named = any(one.returned for one in answer.items)
    return answer, await names_by_id(lister.bus) if is_named else {}


async def _find(lister: ItemLister, limit: int) -> ItemsAnswer:
    items, wanted = list[ListedItem](), lister.wanted
    async for item in lister.items():
        if len(items) == limit:
            return ItemsAnswer(items=items, more=True)
        items.append(item)
    if not items:  # what items have is known, also if the vocabulary has lost it since
        check_topic(wanted.topic)
        await check_unit(lister.bus, wanted.unit)
    return ItemsAnswer(items=items)


def _print(answer: ItemsAnswer, state: TraceState | None, names: Mapping[str, str]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _WITHOUT_TERMINAL
    if not answer.items:
        output.print_field_texts(field_error("items", "items_none"))
    for item in answer.items:
        for line in _lines(item, width):
            typer.echo(line)
        output.print_field_texts(*_waits(item, names))
    if answer.more:
        output.print_field_texts(field_error("items", "items_more"))
    if state == "refused":
        output.print_field_texts(field_error("items", "items_refused_at_once"))


def _waits(item: ListedItem, names: Mapping[str, str]) -> Iterator[FieldError]:
    """Which person an item waits for."""
    if item.returned:
        yield item.returned.named(names)
        return
    for person in _WITH_PEOPLE.keys() & item.held:
        yield field_error(item.content_id, _WITH_PEOPLE[person])


def _lines(item: ListedItem, width: int) -> Iterator[str]:
    """An item in lines of a terminal: what it is, its title, where it is from, each channel."""
    changed, state = format_for_people(item.changed), output.in_one_line(*translate(item.state))
    yield f"{item.content_id}, revision {item.revision}: {state}, {changed}"
    yield f"  {shorten(output.visible(item.title), _width_limit(width - 2))}"
    yield f"  {item.unit}, {item.topic or '-'}"
    channels = [_channel_text(item, name) for name in item.channels]
    yield from _wrapped(channels, width)
    if others := [one for one in item.held if one not in _WITH_PEOPLE]:
        yield f"  held: {', '.join(others)}"


def _width_limit(columns: int) -> TextLimit:
    return TextLimit(columns, escaped=6 * columns)


def _channel_text(item: ListedItem, name: ChannelName) -> str:
    """Counts of one channel's deliveries, with open and failed ones."""
    counts = item.channels[name]
    if not (counts.expected or counts.complete):
        return f"{name} not planned yet"
    numbers = dict(counts)
    troubles = [f"{numbers[kind]:,} {kind}" for kind in _TROUBLES if numbers[kind]]
    state = "done" if counts.complete else "on its way"
    if name in item.planning and not counts.missing:
        troubles.append("planning has not ended")
    extra = f" ({', '.join(troubles)})" if troubles else ""
    return f"{name} {state} {counts.delivered:,}/{counts.expected:,}{extra}"


def _wrapped(parts: list[str], width: int) -> Iterator[str]:
    """The parts, indented, as many in a line as fit."""
    line = ""
    for part in parts:
        joined = f"{line}; {part}" if line else f"  {part}"
        if line and len(joined) > width:
            yield line
            joined = f"  {part}"
        line = joined
    if line:
        yield line
