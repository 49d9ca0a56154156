"""The key file belongs to what the bus holds; another is refused, a lost one given up knowingly."""

import asyncio
import json

import pytest
from cryptography.fernet import Fernet

from channels.errors import Unreachable
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.client.store import GrantCipher, TokenGrant
from channels.zalo.client.token_store import grant_key
from channels.zalo.errors import StaleValue
from channels.zalo.settings import ZaloSettings
from consumers.app.wiring import zalo
from consumers.key_file import FINGERPRINT_KEY, KeyFile, open_key_file, replace_key
from contracts import subjects
from contracts.errors import Conflict, Invalid, Unavailable
from producers.bus import Bus, NoReply
from tests.support.cli import json_output
from tests.support.zalo_account import MemoryKeyValueStore, memory_stores

READERS = "email,name,topics,audiences,units,frequency\nan@example.com,,,,,\n"
PAIR = {"access_token": "a-1", "refresh_token": "r-1", "expires_in": "90000"}
ZALO = {"LOA_ZALO_APP_ID": "123", "LOA_ZALO_APP_SECRET": "s"}


@pytest.fixture
def loa(loa, tmp_path):
    """A command on the bus, with the key file of tmp_path."""
    (tmp_path / "readers.csv").write_text(READERS)
    (tmp_path / "pair.json").write_text(json.dumps(PAIR))
    return loa.extended(**ZALO)


async def people(bus) -> int:
    return len(await bus.bucket(subjects.SUBSCRIBERS.name).keys("s."))


async def test_the_first_use_leaves_a_fingerprint_that_reveals_nothing(bus, tmp_path):
    keys = await open_key_file(bus, tmp_path / "vault.key")
    left = (await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)).data
    purposes = ("vault", "addresses", "unsubscribe")
    secrets = [keys.secret, *map(keys.derive, purposes)]
    assert not any(one in left or one.hex().encode() in left for one in secrets)
    assert await open_key_file(bus, tmp_path / "vault.key") == keys


async def test_an_older_installation_keeps_its_key(bus, tmp_path):
    keys = KeyFile.open(tmp_path / "vault.key")
    assert await open_key_file(bus, tmp_path / "vault.key") == keys
    assert (await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)).data == keys.fingerprint()


async def test_no_key_is_made_where_the_bus_knows_one(bus, tmp_path):
    await open_key_file(bus, tmp_path / "vault.key")
    with pytest.raises(Invalid, match=r"put the vault\.key that belongs to this data back"):
        await open_key_file(bus, tmp_path / "other" / "vault.key")
    assert not (tmp_path / "other").exists()


async def test_of_two_keys_that_come_at_once_one_is_taken(bus, tmp_path):
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        KeyFile.open(path)
    ways = (open_key_file(bus, path) for path in paths)
    ended = await asyncio.gather(*ways, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["Invalid", "KeyFile"]


@pytest.mark.parametrize("lost", ["missing", "another"])
@pytest.mark.parametrize(
    "words",
    [
        ("subscribers", "import", "readers.csv"),
        ("zalo", "connect", "pair.json"),
        ("zalo", "status"),
    ],
    ids=" ".join,
)
async def test_without_the_right_key_nothing_is_done(bus, loa, tmp_path, words, lost):
    await loa("subscribers", "import", "readers.csv")
    path = tmp_path / "vault.key"
    path.unlink()
    if lost == "another":
        KeyFile.open(path)
    before = await bus.bucket(subjects.VAULT.name).keys(), await people(bus)
    told = await loa(*words)
    assert told.exit_code == 2, told.output
    assert "put the vault.key that belongs to this data back" in told.output
    assert "hãy đặt lại đúng tệp vault.key" in told.output
    assert path.exists() == (lost == "another")
    assert (await bus.bucket(subjects.VAULT.name).keys(), await people(bus)) == before


async def test_status_and_check_name_the_wrong_key_first_and_blame_nothing_else(bus, loa, tmp_path):
    await loa("subscribers", "import", "readers.csv")
    assert (await loa("check")).exit_code == 0, "an anchor is signed"
    (tmp_path / "vault.key").write_text("ab" * 32)
    status = json_output(await loa("status", "--json"))
    acts = [one for one in status["findings"] if one["severity"] == "act"]
    assert [(one["code"], one["about"]) for one in acts] == [("key_wrong", "vault.key")]
    for text, time in ((acts[0]["message"], "+07"), (acts[0]["message_vi"], " ngày ")):
        assert str(tmp_path / "vault.key") in text and time in text, "which file, changed when"
    assert "readers' records" in acts[0]["message"], "the price of another key"
    assert "loa audit accept" not in json.dumps(status)
    check = await loa("check", "--json")
    found = [(one["rule"], one["key"]) for one in json_output(check)["violations"]]
    assert (check.exit_code, found) == (1, [("key-wrong", "vault.key")])


async def test_a_damaged_key_file_is_explained_in_both_languages(loa, tmp_path):
    (tmp_path / "vault.key").write_text("ab" * 9)
    told = await loa("subscribers", "import", "readers.csv")
    assert told.exit_code == 2 and "không chứa khóa 32 byte" in told.output
    assert str(tmp_path / "vault.key") in told.output and "tiếng Anh" not in told.output


async def test_the_status_says_that_tokens_are_another_keys(bus, loa):
    foreign = GrantCipher(Fernet.generate_key()).encrypt(TokenGrant("a", "r"))
    await bus.bucket(subjects.VAULT.name).create(grant_key("123"), foreign)
    told = await loa("zalo", "status")
    assert told.exit_code == 2, told.output
    assert "does not fit the stored Zalo tokens" in told.output
    assert "hãy kết nối lại: loa zalo connect" in told.output
    assert (await loa("zalo", "connect", "pair.json")).exit_code == 0
    stored = await bus.bucket(subjects.VAULT.name).get(grant_key("123"))
    assert stored.data != foreign


@pytest.mark.parametrize(
    ("trouble", "error"), [(StaleValue("moved on"), Conflict), (Unreachable("bus"), Unavailable)]
)
async def test_a_pair_that_could_not_be_stored_is_said(trouble, error):
    vault = MemoryKeyValueStore()

    def fail(_):
        raise trouble

    vault.before_swap = fail
    stores = memory_stores(vault)
    account = ZaloSettings(_env_file=None, app_id="123", app_secret="s")
    with pytest.raises(error) as said:
        await zalo.store_token_pair(account, stores, TokenPair("a", "r", 60))
    [one] = said.value.errors
    assert one.message != one.message_vi
    assert not vault.stored


async def test_a_key_counts_only_once_every_record_of_the_lost_one_is_gone(
    bus, tmp_path, monkeypatch
):
    """Killed in between, a Loa that started would meet readers whom it can't read."""
    subscribers = subjects.SUBSCRIBERS.name
    old = await open_key_file(bus, tmp_path / "vault.key")
    for number in range(3):
        await bus.bucket(subscribers).put(f"s.nguoi{number}", b'{"email":"an@example.com"}')
    (new := tmp_path / "new.key").write_text("ab" * 32)
    erase, erased = Bus.erase_message, []

    async def die(self, stream, seq):
        erased.append(seq)
        if len(erased) == 2:
            raise NoReply("killed here")
        await erase(self, stream, seq)

    with monkeypatch.context() as dying, pytest.raises(NoReply):
        dying.setattr(Bus, "erase_message", die)
        await replace_key(bus, new)
    stored = await bus.bucket(subjects.VAULT.name).get(FINGERPRINT_KEY)
    assert stored.data == old.fingerprint()
    with pytest.raises(Invalid):
        await open_key_file(bus, new)
    await replace_key(bus, new)
    await open_key_file(bus, new)
    assert await bus.bucket(subscribers).keys() == []
