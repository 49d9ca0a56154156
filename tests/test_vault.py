"""The key file is made once and kept; what lies under it changes only by compare-and-set."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from channels.errors import Unreachable
from channels.zalo.notebook import Note
from channels.zalo.vault import NEVER, Grant, Seal, Stale
from consumers.vault import BusNotebook, BusVault, KeyFile, KeyFileBroken

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
    notebook = BusNotebook(bus)
    assert await notebook.read("tin-bai") is None
    note = Note(revision=2, title="Kênh Zalo của Bộ", article_id="a1")
    await notebook.write("tin-bai", note)
    assert await BusNotebook(bus).read("tin-bai") == note


async def test_a_bus_that_is_away_is_unreachable(bus):
    await bus.close()
    for ask in (BusVault(bus).get("zalo"), BusNotebook(bus).read("tin-bai")):
        with pytest.raises(Unreachable):
            await ask
