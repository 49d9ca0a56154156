"""What the container files say: the stack, its image, its bus."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LOA = {name: s for name, s in SERVICES.items() if s["image"].startswith("loa:")}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
NATS_CONF = (ROOT / "deploy" / "nats.conf").read_text()
DEV = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy" / "dev.env").read_text().splitlines()
    if line and not line.startswith("#")
)


def instruction(word: str) -> str:
    """What follows the last *word* of the Dockerfile: the final stage's say."""
    return re.findall(rf"^{word} (.+)$", DOCKERFILE, re.M)[-1].strip()
