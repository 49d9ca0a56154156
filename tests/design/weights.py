"""Tables of docs/design.md, made anew by `python -m tests.design.weights`: weights and tokens."""

import re
from pathlib import Path

from design import assets
from design.tokens import tokens
from tests.design.test_one_source import FACES

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/design.md"
NAMES = {
    "channels/portal/render/templates": "portal",
    "producers/pages/templates": "readers' pages",
    "producers/desk/templates": "desk",
    "producers/gateway/templates": "`/docs`",
    "channels/email/devmailbox/templates": "mailbox",
    "sandbox/zalo/page/templates": "Zalo sandbox",
}
_PURPOSE = re.compile(r"^([a-z0-9-]+) = .*\" *# (.*)$", re.MULTILINE)


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


def colours() -> str:
    """A line for each colour, with what tokens.toml says that it is for."""
    purposes = dict(_PURPOSE.findall((ROOT / "design/tokens.toml").read_text("utf-8")))
    lines = ["| colour | by day | by night | on paper | for |", "| --- | --- | --- | --- | --- |"]
    for name in tokens("light"):
        values = " | ".join(f"`{tokens(scheme)[name]}`" for scheme in ("light", "dark", "paper"))
        lines.append(f"| `{name}` | {values} | {purposes.get(name, '')} |")
    return "".join(f"{line}\n" for line in lines)


def sizes() -> str:
    """The sizes, spaces and fonts, in one line each."""
    lines = ["| size | value |", "| --- | --- |"]
    lines += [f"| `{name}` | `{value}` |" for name, value in tokens("size").items()]
    return "".join(f"{line}\n" for line in lines)


def with_tables(text: str) -> str:
    """*text* with each table between its marks made anew."""
    for name, table in (("weights", weights()), ("colours", colours()), ("sizes", sizes())):
        head, start, rest = text.partition(f"<!-- {name} -->\n")
        text = head + start + table + rest[rest.index(f"<!-- /{name} -->") :]
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
