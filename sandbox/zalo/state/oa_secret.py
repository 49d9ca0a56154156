"""The Official Account's secret: random, one per folder, readable by its owner only."""

import os
import secrets
from pathlib import Path

_NAME = "oa-secret"
_SECRET_BYTES = 32


def open_oa_secret(folder: Path) -> str:
    """Read the folder's secret, or create it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _NAME
    if not path.exists():
        draft = path.with_suffix(".new")
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(file, secrets.token_hex(_SECRET_BYTES).encode())
        os.close(file)
        draft.rename(path)
    return path.read_text("ascii")
