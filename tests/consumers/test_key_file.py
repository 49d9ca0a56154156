"""The key file is made once and kept; what lies under it changes only by compare-and-set."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from channels.errors import Unreachable
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.client.store import NO_REVISION, GrantCipher, TokenGrant
from channels.zalo.errors import StaleValue
from channels.zalo.publications.record import ArticleRecord
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID
from consumers.app.wiring import zalo
from consumers.errors import KeyFileBroken
from consumers.key_file import KeyFile
from consumers.zalo.stores import MAX_TRIES, BusArticleStore, BusKeyValueStore
from producers.bus import NoReply

ROOT = Path(__file__).parents[2]


def test_the_key_is_made_at_the_first_start_and_is_the_same_ever_after(tmp_path):
    path = tmp_path / "data" / "vault.key"
    made = KeyFile.open(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KeyFile.open(path) == made
    assert [one.name for one in path.parent.iterdir()] == ["vault.key"]
    assert made.secret.hex() not in repr(made)


def test_processes_that_start_at_once_share_one_key(tmp_path):
    path = tmp_path / "vault.key"
    code = f"from pathlib import Path; from consumers.key_file import KeyFile; \
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
    vault = BusKeyValueStore(bus)
    seal = GrantCipher(KeyFile.open(tmp_path / "vault.key").fernet_key())
    assert await vault.get("zalo") is None
    first = await vault.swap("zalo", seal.encrypt(TokenGrant(access_token="geheim")), NO_REVISION)
    sealed = await vault.get("zalo")
    assert sealed is not None
    assert b"geheim" not in sealed.data
    assert (seal.decrypt(sealed.data).access_token, sealed.revision) == ("geheim", first)
    await vault.swap("zalo", seal.encrypt(TokenGrant(access_token="neu")), first)
    for stale in (first, NO_REVISION):
        with pytest.raises(StaleValue):
            await vault.swap("zalo", b"late", stale)


async def test_a_note_is_found_again(bus):
    notebook = BusArticleStore(bus, "123")
    assert await notebook.read("tin-bai") == ArticleRecord()
    note = ArticleRecord(revision=2, title="Kênh Zalo của Bộ", article_id="a1")
    written = await notebook.write("tin-bai", note)
    found = await BusArticleStore(bus, "123").read("tin-bai")
    assert (found, found.at) == (note, written.at)
    await notebook.write("tin-bai", replace(written, shown=2))
    assert (await notebook.read("tin-bai")).shown == 2


async def test_apps_share_neither_grant_nor_notes(bus, tmp_path):
    keys = KeyFile.open(tmp_path / "vault.key")
    pairs = {"123": TokenPair("thật", "r-1", 60), APP_ID: TokenPair("thử", "r-2", 60)}
    for app_id, pair in pairs.items():
        settings = ZaloSettings(_env_file=None, app_id=app_id, app_secret="s")
        await zalo.store_token_pair(settings, zalo.zalo_stores(bus, keys, app_id), pair)
        await zalo.zalo_stores(bus, keys, app_id).articles.write("tin", ArticleRecord(title=app_id))
    real, sandbox = (zalo.zalo_stores(bus, keys, one) for one in ("123", APP_ID))
    seal = GrantCipher(keys.fernet_key())
    for key, token in (("zalo.grant.123", "thật"), (f"zalo.grant.{APP_ID}", "thử")):
        assert seal.decrypt((await real.token_grants.get(key)).data).access_token == token
    assert (await real.articles.read("tin")).title == "123"
    assert (await sandbox.articles.read("tin")).title == APP_ID
    assert not APP_ID.isdecimal(), "a real app's id is a number"


async def test_a_note_is_never_written_over_a_newer_one(bus):
    notebook = BusArticleStore(bus, "123")
    first = await notebook.write("tin-bai", ArticleRecord(revision=1))
    newer = await BusArticleStore(bus, "123").write("tin-bai", replace(first, revision=3))
    for stale in (first, ArticleRecord(revision=1), first):
        with pytest.raises(Unreachable):
            await notebook.write("tin-bai", replace(stale, token=""))
        lose_answers(notebook, stored=False)  # silence hides no newer note
    assert await notebook.read("tin-bai") == newer


@pytest.mark.parametrize("stored", [True, False])
async def test_a_note_whose_write_is_not_answered_is_written_once(bus, stored):
    notebook = BusArticleStore(bus, "123")
    first = await notebook.write("tin-bai", ArticleRecord(revision=1))
    before = await notebook.bucket.last_seq()
    lose_answers(notebook, stored=stored)
    second = await notebook.write("tin-bai", replace(first, revision=2))
    assert (await notebook.read("tin-bai")).at == second.at == before + 1


async def test_a_bus_that_never_answers_a_write_is_unreachable(bus):
    notebook = BusArticleStore(bus, "123")
    lose_answers(notebook, stored=False, times=MAX_TRIES)
    with pytest.raises(Unreachable):
        await notebook.write("tin-bai", ArticleRecord(revision=1))
    assert await notebook.read("tin-bai") == ArticleRecord()


def lose_answers(notebook: BusArticleStore, *, stored: bool, times: int = 1) -> None:
    """The next writes are not answered; whether they arrive is what the caller says."""
    once, left = notebook.bucket.swap, [None] * times

    async def losing(*write, **options):
        if left:
            left.pop()
            if stored:
                await once(*write, **options)
            raise NoReply("no answer")
        return await once(*write, **options)

    notebook.bucket.swap = losing


async def test_a_bus_that_is_away_is_unreachable(bus):
    await bus.close()
    for ask in (BusKeyValueStore(bus).get("zalo"), BusArticleStore(bus, "123").read("tin-bai")):
        with pytest.raises(Unreachable):
            await ask
