"""A file of several relays, as LOA_EMAIL_RELAYS_FILE names it."""

from pathlib import Path
from typing import Any

HERE = {"host": "127.0.0.1", "tls": "none"}


def write_relays(folder: Path, **relays: dict[str, Any]) -> Path:
    """The file with *relays* on this machine; each by its name, with what differs."""
    lines = list[str]()
    for name, changes in relays.items():
        lines.append(f"[relays.{name.replace('_', '-')}]")
        lines += [f"{key} = {_toml(value)}" for key, value in (HERE | changes).items()]
    path = folder / "relays.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int | float) else f'"{value}"'
