"""Private files on a disk that ends in the middle of a write."""

import pytest

from consumers.key_file import KeyFile
from consumers.messages import translate_os_error
from consumers.private_files import replace_file
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
