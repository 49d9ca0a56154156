"""The table of weights in docs/design.md: `python -m tests.design.weights` writes it anew."""

import re
from pathlib import Path

from design import assets
from tests.design.test_one_source import FACES

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/design.md"
_TABLE = re.compile(r"(?<=<!-- weights -->\n).*?(?=<!-- /weights -->)", re.DOTALL)
NAMES = {
    "channels/portal/render/templates": "portal",
    "producers/pages/templates": "readers' pages",
    "producers/desk/templates": "desk",
    "producers/gateway/templates": "`/docs`",
    "channels/email/devmailbox/templates": "mailbox",
    "sandbox/zalo/page/templates": "Zalo sandbox",
}


def weights() -> str:
    """A line for each face: what every page of it loads, in KB rounded up."""
    lines = ["| face | style sheet | emblem and icon |", "| --- | --- | --- |"]
    drawn = len(assets.emblem().body) + len(assets.icon().body)
    for folder in FACES:
        sheet = assets.stylesheet(*sorted((ROOT / folder).rglob("*.css")))
        lines.append(f"| {NAMES[folder]} | {kilobytes(len(sheet.body))} | {kilobytes(drawn)} |")
    return "".join(f"{line}\n" for line in lines)


def kilobytes(size: int) -> str:
    return f"{-(-size // 1024)} KB"


def with_weights(text: str) -> str:
    return _TABLE.sub(lambda _: weights(), text)


if __name__ == "__main__":
    DOCUMENT.write_text(with_weights(DOCUMENT.read_text("utf-8")), "utf-8")
