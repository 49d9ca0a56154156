"""The `loa` command: one small file per noun."""

import typer

from consumers import logs
from consumers.app.settings import LoaSettings, read
from consumers.cli import (
    channels,
    check,
    dead,
    demo,
    desk,
    followers,
    items,
    services,
    subscribers,
    templates,
    units,
    upkeep,
    zalo,
)
from producers import cli as client

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Loa: the notification platform of the Ministry of Home Affairs.",
)
for command in (
    services.up,
    services.run,
    client.publish,
    client.validate,
    client.schemas,
    items.trace,
    items.withdraw,
    check.check,
    channels.status,
    channels.pause,
    channels.resume,
    demo.demo,
):
    app.command()(command)
for name, order in (
    ("backup", upkeep.save),
    ("restore", upkeep.put_back),
    ("rebuild", upkeep.make_anew),
):
    app.command(name)(order)
for noun, commands in (
    ("units", units.app),
    ("subscribers", subscribers.app),
    ("desk", desk.app),
    ("dead", dead.app),
    ("zalo", zalo.app),
):
    app.add_typer(commands, name=noun)
zalo.app.add_typer(templates.app, name="templates")
zalo.app.add_typer(followers.app, name="suppressed")
zalo.app.command()(followers.followers)


def main() -> None:
    """Answers on stdout, logs on stderr."""
    logs.configure(service=False)
    app(obj=surroundings)


def surroundings() -> client.Surroundings:
    """Where the bus is, for the commands that the client's wheel has too; `.env` included."""
    settings = read(LoaSettings)
    return client.Surroundings(settings.data_dir, settings.nats_url, settings.nats_creds_file)
