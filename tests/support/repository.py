"""Where the repository is. To know that, nothing of it is read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
