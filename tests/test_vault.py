"""The key file is made once and kept; what lies under it changes only by compare-and-set."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from channels.errors import Unreachable
from channels.zalo.notebook import Note
from channels.zalo.oauth import Pair
from channels.zalo.sandbox.oauth import APP_ID
from channels.zalo.settings import ZaloSettings
from channels.zalo.vault import NEVER, Grant, Seal, Stale
from consumers.app import channels
from consumers.vault import TRIES, BusNotebook, BusVault, KeyFile, KeyFileBroken
from producers.bus import Silence

ROOT = Path(__file__).parent.parent


def test_the_key_is_made_at_the_first_start_and_is_the_same_ever_after(tmp_path):
    path = tmp_path / "data" / "vault.key"
    made = KeyFile.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyFile.open(path) == made
    assert [one.name for one in path.parent.iterdir()] == ["vault.key"]
    assert made.secret.hex() not in repr(made)


def test_processes_that_start_at_once_share_one_key(tmp_path):
    path = tmp_path / "vault.key"
    code = f"from pathlib import Path; from consumers.vault import KeyFile; \
print(KeyFile.open(Path({str(path)!r})).secret.hex())"

    def start(_: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(start, range(4)))) == 1


@pytest.mark.parametrize("content", [b"", b"ab", b"z" * 64, b"\xff" * 64, b"ab" * 31])
def test_a_broken_key_file_is_never_replaced(tmp_path, content):
    path = tmp_path / "vault.key"
    path.write_bytes(content)
    with pytest.raises(KeyFileBroken):
        KeyFile.open(path)
    assert path.read_bytes() == content


def test_each_purpose_has_a_key_of_its_own(tmp_path):
    keys = KeyFile.open(tmp_path / "vault.key")
    derived = {keys.derive("addresses"), keys.derive("unsubscribe"), keys.derive("vault")}
    assert len(derived) == 3
    assert {len(key) for key in derived} == {32}
    assert keys.derive("addresses") == KeyFile(keys.secret).derive("addresses")
    assert keys.secret not in derived


async def test_tokens_lie_encrypted_and_change_only_over_what_was_read(bus, tmp_path):
    vault, seal = BusVault(bus), Seal(KeyFile.open(tmp_path / "vault.key").fernet())
    assert await vault.get("zalo") is None
    first = await vault.swap("zalo", seal.close(Grant(access_token="geheim")), NEVER)
    sealed = await vault.get("zalo")
    assert sealed is not None
    assert b"geheim" not in sealed.data
    assert (seal.open(sealed.data).access_token, sealed.revision) == ("geheim", first)
    await vault.swap("zalo", seal.close(Grant(access_token="neu")), first)
    for stale in (first, NEVER):
        with pytest.raises(Stale):
            await vault.swap("zalo", b"late", stale)


async def test_a_note_is_found_again(bus):
    notebook = BusNotebook(bus, "123")
    assert await notebook.read("tin-bai") is None
    note = Note(revision=2, title="Kênh Zalo của Bộ", article_id="a1")
    written = await notebook.write("tin-bai", note)
    found = await BusNotebook(bus, "123").read("tin-bai")
    assert (found, found.at) == (note, written.at)
    await notebook.write("tin-bai", replace(written, shown=2))
    assert (await notebook.read("tin-bai")).shown == 2


async def test_apps_share_neither_grant_nor_notes(bus, tmp_path):
    keys = KeyFile.open(tmp_path / "vault.key")
    for app_id, pair in (("123", Pair("thật", "r-1", 60)), (APP_ID, Pair("thử", "r-2", 60))):
        settings = ZaloSettings(_env_file=None, app_id=app_id, app_secret="s")
        await channels.seed_zalo(settings, channels.stores(bus, keys, app_id), pair)
        await channels.stores(bus, keys, app_id).notebook.write("tin", Note(title=app_id))
    real, sandbox = (channels.stores(bus, keys, one) for one in ("123", APP_ID))
    seal = Seal(keys.fernet())
    for key, token in (("zalo.grant.123", "thật"), (f"zalo.grant.{APP_ID}", "thử")):
        assert seal.open((await real.vault.get(key)).data).access_token == token
    assert (await real.notebook.read("tin")).title == "123"
    assert (await sandbox.notebook.read("tin")).title == APP_ID
    assert not APP_ID.isdecimal(), "a real app's id is a number"


async def test_a_note_is_never_written_over_a_newer_one(bus):
    notebook = BusNotebook(bus, "123")
    first = await notebook.write("tin-bai", Note(revision=1))
    newer = await notebook.write("tin-bai", replace(first, revision=2, token="t"))
    for stale in (first, Note(revision=1)):
        with pytest.raises(Unreachable):
            await notebook.write("tin-bai", replace(stale, token=""))
    assert await notebook.read("tin-bai") == newer


@pytest.mark.parametrize("stored", [True, False])
async def test_a_note_whose_write_is_not_answered_is_written_once(bus, stored):
    notebook = BusNotebook(bus, "123")
    first = await notebook.write("tin-bai", Note(revision=1))
    before = await notebook.bucket.last_seq()
    lose_answers(notebook, stored=stored)
    second = await notebook.write("tin-bai", replace(first, revision=2))
    assert (await notebook.read("tin-bai")).at == second.at == before + 1


async def test_silence_hides_no_newer_note(bus):
    notebook, other = BusNotebook(bus, "123"), BusNotebook(bus, "123")
    first = await notebook.write("tin-bai", Note(revision=1))
    lose_answers(notebook, stored=False)
    newer = await other.write("tin-bai", replace(first, revision=3))
    with pytest.raises(Unreachable):
        await notebook.write("tin-bai", replace(first, revision=2))
    assert await notebook.read("tin-bai") == newer


async def test_a_bus_that_never_answers_a_write_is_unreachable(bus):
    notebook = BusNotebook(bus, "123")
    lose_answers(notebook, stored=False, times=TRIES)
    with pytest.raises(Unreachable):
        await notebook.write("tin-bai", Note(revision=1))
    assert await notebook.read("tin-bai") is None


def lose_answers(notebook: BusNotebook, *, stored: bool, times: int = 1) -> None:
    """The next writes are not answered; whether they arrive is what the caller says."""
    once, left = notebook.once, [None] * times

    async def losing(*write):
        if left:
            left.pop()
            if stored:
                await once(*write)
            raise Silence("no answer")
        return await once(*write)

    notebook.once = losing


async def test_a_bus_that_is_away_is_unreachable(bus):
    await bus.close()
    for ask in (BusVault(bus).get("zalo"), BusNotebook(bus, "123").read("tin-bai")):
        with pytest.raises(Unreachable):
            await ask
