"""The repository speaks of Loa alone, its two READMEs agree, and its links lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MINE = Path(__file__).relative_to(ROOT).as_posix()


def words(*spelled: str) -> list[str]:
    """Patterns spelled with blanks that mean nothing, so that this file is not a hit itself."""
    return [word.replace(" ", "") for word in spelled]


UNWANTED = {
    "a package registry's host": words(
        r"pypi \. org",
        r"python hosted \. org",
        r"npm js \. (org|com)",
        r"deb \. debian \. org",
        r"proxy \. golang \. org",
        r"crates \. io",
        r"docker \. io/",
    ),
    "a path of some machine": words(
        r"(?<![\w.]) /work /",
        r"(?<![\w.]) /root /",
        r"(?<![\w.]) /home / \w",
        r"/tmp /loa-",
        r"/opt /wheels",
        r"py env \b",
        r"/tmp /bash_",
    ),
    "pages outside the repository": words(
        r"\. \. /shared \b",
        r"\b shared /( design | style | ledger | domain | reliability | nats | zalo-api"
        r" | standards | performance | peers | prototypes )",
    ),
    "who wrote it": words(
        r"\b clau de \b",
        r"\b anthro pic",
        r"\b open ai \b",
        r"\b chat gpt",
        r"\b co pilot \b",
        r"\b l lm s? \b",
        r"\b sub agent",
        r"co -authored -by",
    ),
    "the work's paperwork": words(r"\b issue \s+ \#? \d", r"(?<![\d,.]) [1-5] \s of \s 5 \b"),
}


def repository_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in repository_files():
        raw = path.read_bytes()
        if b"\0" not in raw:
            found[path.relative_to(ROOT).as_posix()] = raw.decode()
    return found


@pytest.mark.parametrize("meaning", UNWANTED)
def test_no_file_names(meaning):
    unwanted = re.compile("|".join(UNWANTED[meaning]), re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if unwanted.search(line)
    ]
    assert found == []


def test_this_check_reads_the_whole_repository():
    assert {MINE, "README.md", "Makefile", "LICENSE", ".ci/run"} <= set(texts())


@pytest.mark.parametrize(
    ("meaning", "text"),
    [
        ("a package registry's host", "get it from " + "py" + "pi.org"),
        ("a path of some machine", "cd /wo" + "rk/main"),
        ("pages outside the repository", "see share" + "d/design.md"),
        ("who wrote it", "written by Clau" + "de"),
        ("the work's paperwork", "closes issu" + "e #2"),
    ],
)
def test_the_patterns_find_what_they_are_for(meaning, text):
    assert any(re.search(pattern, text, re.IGNORECASE) for pattern in UNWANTED[meaning])


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


@pytest.mark.parametrize("name", sorted(name for name in texts() if name.endswith(".md")))
def test_relative_links_lead_somewhere(name):
    page = ROOT / name
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)", prose)
    local = [t.split("#")[0] for t in targets if not re.match(r"[a-z]+:|#", t)]
    assert [t for t in local if not (page.parent / t).exists()] == []
