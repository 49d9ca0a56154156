"""Each version reads all that the other has written, on one data folder: up, and back.

The version before fills it with the sample ministry: texts in every state, a campaign, a bulletin,
units, accounts, readers, dead letters, facts, files of the portal. Today's version reads all of it,
goes on and changes it; then the version before reads what that has become.
"""

import asyncio
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from tests.support.desk_http import start_session
from tests.support.gateway_client import sample_event
from tests.support.loa_process import wait_until
from tests.support.mixed_loa import MixedLoa, Version

pytestmark = [pytest.mark.timeout(1800), pytest.mark.promise("11.3")]
TURNS = (Version.BEFORE, Version.TODAY, Version.BEFORE)
READERS = tuple(f"nguoi{number}@example.com" for number in range(5))
UNIT = "vu-ke-hoach-tai-chinh"
"""Of the sample's units it is none."""
SECRETARY = "thu-ky"
BY = ("--by", "Lê Văn Tám")
"""In place of an account: that of the secretary has no right to readers."""
DRAFTS = ("desk", "list", "--status", "draft")
RETENTION = ("retention", "plan")
LISTS = (
    *(("items", "list"), ("desk", "list"), DRAFTS, ("dead", "list"), ("units", "list")),
    *(("staff", "list"), ("campaign", "list"), ("bulletin", "series"), ("facts", "list")),
    *(("digests",), RETENTION, ("audit", "verify")),
    *(("subscribers", "list", *BY), ("subscribers", "count", *BY)),
)
"""Commands that only look, at every stream and bucket with the ministry's data."""
BY_INDEX = (("campaign", "show"), ("campaign", "list"), DRAFTS)
"""Of the version before they end with an error beside a desk of today's, whose index they take."""
FILL = """
import asyncio, sys
from consumers.app.settings import LoaSettings, read_settings
from consumers.cli.sample.ministry import fill
from consumers.seals.takeover import seal_for_command, take_over
from producers.bus import Bus

async def main():
    settings = read_settings(LoaSettings)
    async with await Bus.connect(sys.argv[1], name="sample") as bus:
        await seal_for_command(bus, settings.key_file, settings.seals_file, take_over)
        await fill(bus, settings)

asyncio.run(main())
"""
Words = tuple[object, ...]


@pytest.fixture
def loa(tmp_path, relay, code_before):
    loa = MixedLoa(tmp_path, CANARY_EVERY_S=0, **relay.settings)
    loa.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    loa.code_before = code_before
    yield loa
    loa.__exit__()


def test_a_ministry_is_read_alike_and_goes_on_up_and_back(loa):
    for turn, version in enumerate(TURNS):
        loa.start_as(version)
        if not turn:
            begin(loa, version)
        change_all(loa, version, turn)
        publish_to_all(loa, f"tin-{turn}")
        for earlier in range(turn + 1):
            assert loa.page_status(f"/tin/tin-{earlier}") == 200
        for words in LISTS:
            read_alike(loa, version, *words)
        for reader in Version if turn else (version,):  # its first start raises streams' limits
            found = loa.ask(reader, "check", "--deep", "--json").json
            assert (reader, found["violations"]) == (reader, [])
        assert loa.stop() == 0


def begin(loa: MixedLoa, version: Version) -> None:
    """Register a unit and readers, fill the folder, and sign the terminal in."""
    loa.key = do(loa, version, "units", "add", UNIT, "--release", "automatic")["api_key"]
    added = do(loa, version, "subscribers", "import", reader_file(loa, "", READERS))
    assert added["added"] == len(READERS)
    command = [sys.executable, "-c", FILL, str(loa.ready().nats_url)]
    environ, log = loa.environ_of(version), subprocess.DEVNULL
    subprocess.run(command, env=environ, cwd=loa.folder, stdout=log, check=True)
    token = asyncio.run(start_session(loa, SECRETARY))
    place = hashlib.sha256(str(loa.data.resolve()).encode()).hexdigest()[:16]
    file = loa.folder / "state" / "loa" / f"{place}.session"
    file.parent.mkdir(parents=True)
    file.touch(0o600)
    file.write_text(token)
    wait_until(lambda: len(loa.ask(version, "dead", "list", "--json").json) == 3, "dead letters")


def reader_file(loa: MixedLoa, name: str, addresses: tuple[str, ...]) -> Path:
    rows = (f"{address},{name},,,," for address in addresses)
    path = loa.folder / "readers.csv"
    path.write_text("\n".join(["email,name,topics,audiences,units,frequency", *rows, ""]))
    return path


def change_all(loa: MixedLoa, version: Version, turn: int) -> None:
    """Change texts of each kind and a reader: both versions show the change and earlier words."""
    for change, look, stays in changes(loa, version, turn):
        do(loa, version, *change)
        shown = read_alike(loa, version, *look)
        for earlier in range(0 if stays else turn, turn + 1):
            assert f"Lần {earlier}" in shown, (version, change)


def changes(loa: MixedLoa, version: Version, turn: int) -> Iterator[tuple[Words, Words, bool]]:
    """Orders that write the turn, commands that show it, and whether earlier ones stay."""
    text = f"Lần {turn}"
    waiting = min(do(loa, version, "desk", "list"), key=itemgetter("content_id"))
    item, read = waiting["content_id"], ("--hash", waiting["hash"])
    yield ("desk", "comment", item, text, *read), ("desk", "history", item), True
    drafts = do(loa, version, *DRAFTS)
    issue = next(one["content_id"] for one in drafts if "bulletin" in one["data"])
    yield ("bulletin", "introduce", issue, text), ("bulletin", "show", issue), False
    [campaign] = do(loa, version, "campaign", "list")
    name, day = campaign["content_id"], campaign["last_day"]
    yield ("campaign", "plan", name, text, day), ("campaign", "show", name), True
    importing = ("subscribers", "import", reader_file(loa, text, READERS[:1]), *BY)
    yield importing, ("subscribers", "show", READERS[0], *BY), False


def do(loa: MixedLoa, version: Version, *words: object) -> Any:
    """The answer of a command, which must succeed."""
    done = loa.ask(version, *words, "--json")
    assert (words, done.exit_code) == (words, 0), done.err
    return done.json


def publish_to_all(loa: MixedLoa, content_id: str) -> None:
    event = sample_event(id=content_id, content_id=content_id, channels=("portal", "email"))
    answer = loa.post(event | {"source": f"/units/{UNIT}"})
    assert answer.status == 202, answer
    email = loa.trace_of_event(answer.body["event_id"])["channels"]["email"]
    assert (email["expected"], email["delivered"]) == (len(READERS), len(READERS))


def read_alike(loa: MixedLoa, running: Version, *words: object) -> str:
    """An answer that is not empty, and in which both versions say the same.

    Today's may say more. Services may change the data between the two: then both are asked again.
    Beside a desk of today's, the commands of BY_INDEX are asked of today's alone.
    """
    if running is Version.TODAY and any(words[: len(one)] == one for one in BY_INDEX):
        return str(do(loa, running, *words))

    def ask() -> str:
        before, today = (loa.ask(version, *words, "--json") for version in Version)
        assert (words, before.exit_code, today.exit_code) == (words, 0, 0), before.err + today.err
        told = today.json
        if words == RETENTION:  # today's keeps more kinds of data
            kinds = {one["kind"] for one in before.json["kinds"]}
            told = told | {"kinds": [one for one in told["kinds"] if one["kind"] in kinds]}
        return before.out if before.json and has_grown(before.json, told) else ""

    return wait_until(ask, f"one story of {words}")


def has_grown(before: Any, today: Any) -> bool:
    """Whether an answer says all that the other says; it may have more keys."""
    if isinstance(before, dict):
        return all(key in today and has_grown(before[key], today[key]) for key in before)
    if isinstance(before, list):
        pairs = zip(before, today, strict=False)
        return len(before) == len(today) and all(has_grown(*pair) for pair in pairs)
    return bool(before == today)
