"""A real Loa whose key file is lost: what a restore says, and how operation continues."""

import shutil
from pathlib import Path

from consumers.key_file import KeyFile
from tests.support.loa_process import LoaProcess

GOLDEN = Path(__file__).parents[2] / "golden" / "backup-0.1.0"


def test_no_key_is_accepted_for_a_folder_that_holds_nothing(tmp_path):
    loa = LoaProcess(tmp_path)
    told = loa.cli("restore", "--new-key", "--yes")
    assert (told.exit_code, "Traceback" in told.err) == (3, False), told.err
    assert not loa.data.exists()


def refused(told) -> bool:
    """In both languages, without a traceback."""
    said = told.out + told.err
    both = "put the vault.key that" in said and "hãy đặt lại đúng tệp vault.key" in said
    return told.exit_code == 2 and both and "Traceback" not in said


def test_a_restore_without_its_key_is_said_and_a_lost_key_is_given_up_knowingly(tmp_path):
    (tmp_path / "old").mkdir()
    with LoaProcess(tmp_path / "old") as lost:
        lost.readers(3)
        assert lost.cli("backup", tmp_path / "backup").exit_code == 0
    (tmp_path / "new").mkdir()
    loa = LoaProcess(tmp_path / "new", HTTP_PORT=0)
    first = loa.cli("restore", tmp_path / "backup")
    assert (first.exit_code, "put vault.key here first" in first.err) == (2, True), first.err
    key = loa.data / "vault.key"
    assert not key.exists()
    KeyFile.open(key)
    assert refused(loa.cli("restore", tmp_path / "backup"))
    shutil.copy(lost.data / "vault.key", key)
    assert (again := loa.cli("restore", tmp_path / "backup")).exit_code == 0, again.err
    with loa:
        assert loa.cli("restore", "--new-key", "--yes").exit_code == 2, "not while a Loa runs"
    key.unlink()
    for words in (["up", "--port", "0"], ["run", "deliver-email"]):
        told = loa.cli(*words)
        assert refused(told), told.err
    told = loa.cli("restore", "--new-key", "--yes", "--json")
    assert (told.exit_code, told.json) == (0, {"key": str(key)}), told.err
    with loa:
        loa.add_readers("an@example.com,,,,,")


def test_a_backup_whose_key_is_lost_is_lost(tmp_path):
    (tmp_path / "old").mkdir()
    with LoaProcess(tmp_path / "old") as lost:
        assert lost.cli("backup", tmp_path / "backup").exit_code == 0
    (tmp_path / "new").mkdir()
    loa = LoaProcess(tmp_path / "new")
    assert refused(loa.cli("restore", tmp_path / "backup", "--new-key", "--yes"))
    assert not (loa.data / "vault.key").exists()


def test_a_plain_backup_whose_key_is_lost_comes_back_with_a_new_one(tmp_path):
    backup = tmp_path / "backup"
    shutil.copytree(GOLDEN, backup, ignore=shutil.ignore_patterns("vault.key", "expected.json"))
    (tmp_path / "new").mkdir()
    loa = LoaProcess(tmp_path / "new")
    done = loa.cli("restore", backup, "--plain", "--new-key", "--yes")
    assert (done.exit_code, "neither encrypted" in done.out + done.err) == (0, True), done.err
    with loa:
        assert (loa.data / "vault.key").exists()
    assert "zalo_grant_replaced" in loa.log()
