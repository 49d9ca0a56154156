"""Private files on a disk that ends in the middle of a write."""

import os

import pytest

from consumers.key_file import KeyFile
from consumers.messages import translate_os_error
from consumers.private_files import new_file, replace_file
from tests.support.full_disk import room_for


def test_what_does_not_fit_replaces_nothing_leaves_nothing_and_names_its_file(tmp_path):
    path = tmp_path / "bus-state.json"
    replace_file(path, b"whole")
    with room_for(10), pytest.raises(OSError, match="bus-state") as refused:
        replace_file(path, b"longer than the room")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"whole", [path])
    assert str(path) in translate_os_error(refused.value).vi


def test_half_a_key_is_never_the_key(tmp_path):
    path = tmp_path / "vault.key"
    with room_for(10), pytest.raises(OSError, match=r"vault\.key"):
        KeyFile.open(path)
    assert list(tmp_path.iterdir()) == []
    assert KeyFile.open(path) == KeyFile.open(path)


@pytest.mark.parametrize("is_named", [False, True])
def test_a_new_file_appears_whole_replaces_none_and_leaves_nothing(tmp_path, monkeypatch, is_named):
    if is_named:  # a disk without files that have no name
        monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    path = tmp_path / "readers.csv"
    (tmp_path / ".readers.csv.part").write_text("of a killed process")
    with new_file(path) as file:
        file.write(b"whole")
        file.flush()
        named = {one.name for one in tmp_path.iterdir()}
        assert named == ({".readers.csv.part"} if is_named else set())
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"whole", 0o600)
    with pytest.raises(FileExistsError, match="readers"), new_file(path) as file:
        file.write(b"another")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"whole", [path])
