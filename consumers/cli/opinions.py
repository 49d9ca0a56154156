"""`loa opinions`: what readers think of what was published."""

from typing import Annotated

import typer

from consumers.cli.answers import Json, on_any_bus, print_json, print_table
from consumers.opinions import tallies


def opinions(
    content_id: Annotated[str, typer.Argument(help="One item; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """How many readers are satisfied with an item, or not, by the channel they read it on."""
    found = on_any_bus(lambda bus, _own: tallies(bus, content_id))
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
