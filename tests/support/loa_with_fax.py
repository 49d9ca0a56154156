"""The `loa` command of a Loa with one more channel: its name, its folder, its registry entry."""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

LAST_NAME = '    ZALO = "zalo"\n'


def add_name() -> None:
    """Add the line that a developer adds to `ChannelName`, before anything imports it."""
    path = Path(__file__).parents[2] / "contracts" / "delivery.py"
    spec = spec_from_file_location("contracts.delivery", path)
    assert spec is not None
    sys.modules[spec.name] = delivery = module_from_spec(spec)
    source = path.read_text()
    assert LAST_NAME in source
    exec(source.replace(LAST_NAME, f'{LAST_NAME}    FAX = "fax"\n'), vars(delivery))


if __name__ == "__main__":
    add_name()
    channel = import_module("tests.support.fax_channel")
    registry = import_module("consumers.app.channel_registry")
    registry.CHANNELS[channel.FaxChannel.name] = channel.ENTRY
    import_module("consumers.cli").main()
