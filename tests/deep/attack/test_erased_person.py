"""An erased reader can't be found by who searches every byte that Loa has on its disks."""

from pathlib import Path

import pytest

from tests.support.loa_process import LoaProcess, wait_until

ADDRESS, OTHER = "nguoi-da-xoa@example.com", "nguoi-o-lai@example.com"


def files_with(folder: Path, *words: bytes) -> list[str]:
    """The files that hold one of *words*; what the stand-in for a mail relay got is left out."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".eml")]
    content = {str(path.relative_to(folder)): path.read_bytes().lower() for path in paths}
    return [name for name, data in content.items() if any(word in data for word in words)]


@pytest.mark.timeout(120)
def test_nothing_of_an_erased_reader_is_left_on_any_disk(tmp_path):
    loa = LoaProcess(tmp_path)
    with loa:
        loa.add_readers(f"{ADDRESS},Trần Thị Đã Xóa,,,,", f"{OTHER},Lê Ở Lại,,,,")
        id = loa.cli("subscribers", "show", ADDRESS, "--json").json["id"].encode()
        assert loa.cli("subscribers", "remove", ADDRESS, "--reason", "ticket 7").exit_code == 0
        path = loa.data / "directory.sqlite"
        wait_until(lambda: id not in path.read_bytes(), "the directory's erasure")
        assert loa.cli("backup", tmp_path / "backup").exit_code == 0
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
    words = ADDRESS.encode(), "Trần Thị Đã Xóa".lower().encode()
    assert files_with(tmp_path, *words) == []
    with loa:
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
    assert files_with(tmp_path, *words) == []
