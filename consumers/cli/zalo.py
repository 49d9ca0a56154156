"""`loa zalo`: the Official Account's grant."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from channels.zalo.oauth import Pair, life_s
from channels.zalo.settings import ZaloSettings
from consumers.app import channels
from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import explained, on_bus
from consumers.faults import fault
from consumers.vault import KeyFile
from contracts.errors import Invalid
from producers.bus import Bus

app = typer.Typer(no_args_is_help=True, help="The Official Account.")
File = Annotated[str, typer.Argument(help="The token pair as JSON; - reads the input.")]


@app.callback()
def nothing() -> None:
    """One command for now."""


@app.command()
def connect(file: File) -> None:
    """Store a token pair from Zalo's API Explorer, encrypted; workers use and renew it.

    The file holds {"access_token", "refresh_token", "expires_in"}. A pair is never an argument:
    arguments can be read by other users of the machine.
    """
    with explained():
        account = read(ZaloSettings)
        channels.check_app(account)
        granted = pair(sys.stdin.read() if file == "-" else Path(file).read_text())
    keys = KeyFile.open(read(LoaSettings).key_file)

    async def store(bus: Bus) -> None:
        stores = channels.stores(bus, keys, account.app_id)
        await channels.seed_zalo(account, stores, granted)

    on_bus(store)
    typer.echo("stored; the next delivery uses it")


def pair(text: str) -> Pair:
    """Read a token pair. Raises Invalid."""
    try:
        said = json.loads(text)
        return Pair(said["access_token"], said["refresh_token"], life_s(said.get("expires_in")))
    except (ValueError, KeyError, TypeError) as broken:
        raise Invalid(fault("file", "no_token_pair")) from broken
