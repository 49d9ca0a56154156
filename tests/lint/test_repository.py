"""Both READMEs name the same commands, which exist, and relative links lead to files."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pages() -> list[str]:
    """Every Markdown file of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def commands(readme: str) -> set[str]:
    """What a README tells its reader to type, in code blocks and inline code."""
    text = (ROOT / readme).read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    called = (line.split(" #")[0].strip().removeprefix("$ ") for line in [*lines, *inline])
    return {call for call in called if re.match(r"(make|loa|docker|git|apt) ", call)}


def test_both_readmes_exist_and_name_the_same_commands():
    english, vietnamese = commands("README.md"), commands("README.vi.md")
    assert {"make demo", "make test"} <= english
    assert english == vietnamese


def test_every_make_command_of_the_readmes_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    made = {call.split()[1] for call in commands("README.md") if call.startswith("make ")}
    assert made <= targets


@pytest.mark.parametrize("name", pages())
def test_relative_links_lead_to_files(name):
    page = ROOT / name
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)", prose)
    local = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in local if not (page.parent / t).exists()] == []
