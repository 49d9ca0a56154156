"""`loa opinions`: what readers think of what was published."""

from typing import Annotated

import typer

from consumers.cli.output import Json, print_answer, print_table, run_on_bus
from consumers.intake.repository import ItemRepository
from consumers.messages import field_error
from consumers.reporting.reactions import ReactionCounts, count_reactions
from contracts.errors import Invalid
from producers.bus import Bus


def opinions(
    content_id: Annotated[str, typer.Argument(help="One item; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """How many readers are satisfied with an item, or not, by the channel they read it on."""
    counts = run_on_bus(lambda bus: requested_counts(bus, content_id))
    columns = ("item", "channel", "satisfied", "neutral", "dissatisfied")
    rows = (
        (one.content_id, one.channel.value, one.satisfied, one.neutral, one.dissatisfied)
        for one in counts
    )
    print_answer(counts, as_json, lambda: print_table(columns, rows))


async def requested_counts(bus: Bus, content_id: str) -> list[ReactionCounts]:
    """The counts of reactions. Raises Invalid for an unknown item."""
    found = await count_reactions(bus, content_id)
    if content_id and not found and await ItemRepository(bus).item(content_id) is None:
        raise Invalid(field_error("content_id", "item_unknown", value=content_id))
    return found
