"""The table of mounts in deploy/README.md: what each container sees of the state folder."""

import re
from pathlib import Path

_README = (Path(__file__).parents[2] / "deploy" / "README.md").read_text()
_TABLE = re.search(r"^\| service \| mounts \|\n.*?\n\n", _README, re.M | re.S)
MOUNTS: dict[str, set[tuple[str, str]]] = {
    name: set(re.findall(r"`(\S+)` ([rw])", cell))
    for name, cell in re.findall(r"^\| `([\w-]+)` \|(.*)\|$", _TABLE[0] if _TABLE else "", re.M)
}
"""Service to pairs of path and `r` or `w`."""
