"""`loa opinions`: what readers think of what was published."""

from typing import Annotated

import typer

from consumers.cli.answers import Json, on_bus, print_json, print_table
from consumers.faults import fault
from consumers.opinions import Tally, tallies
from consumers.register import Register
from contracts.errors import Invalid
from producers.bus import Bus


def opinions(
    content_id: Annotated[str, typer.Argument(help="One item; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """How many readers are satisfied with an item, or not, by the channel they read it on."""
    found = on_bus(lambda bus: asked(bus, content_id))
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    print_table(
        ("item", "channel", "satisfied", "neutral", "dissatisfied"),
        [
            (one.content_id, one.channel.value, one.satisfied, one.neutral, one.dissatisfied)
            for one in found
        ],
    )


async def asked(bus: Bus, content_id: str) -> list[Tally]:
    """The counts. Raises Invalid for an item that nobody has an opinion on, as there is none."""
    found = await tallies(bus, content_id)
    if content_id and not found and await Register(bus).item(content_id) is None:
        raise Invalid(fault("content_id", "item_unknown", value=content_id))
    return found
