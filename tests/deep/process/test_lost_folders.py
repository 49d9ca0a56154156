"""A real Loa whose portal folder, or directory of readers, is lost: nothing goes on as if new."""

import pytest

from tests.support.loa_process import LoaProcess, wait_until


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path, ZALO_APP_ID="") as loa:
        loa.add_unit()
        yield loa


def publish(loa, number: int) -> str:
    """One item for the portal alone."""
    loa.publish(f"tin-{number}", "portal")
    return f"tin-{number}"


def rules(loa) -> set[str]:
    done = loa.cli("check", "--deep", "--json")
    assert done.exit_code in (0, 1), done
    assert done.json["ok"] is (done.exit_code == 0)
    return {one["rule"] for one in done.json["violations"]}


def test_a_lost_portal_folder_is_told_without_an_item_and_stands_until_it_is_made_anew(loa):
    first, folder = publish(loa, 1), loa.data / "portal"
    loa.trace_when_complete(first)
    folder.rename(loa.folder / "away")
    standing = wait_until(lambda: loa.request("/readyz").body.get("standing"), "a stopped channel")
    assert standing == {"portal": "breaker open: index_lost"} and '"breaker_opened"' in loa.log()
    for words in (["status"], ["check"]):
        told = loa.cli(*words)
        assert told.exit_code == 1 and "`loa rebuild portal`" in told.out, words
        assert "within a minute" not in told.out, "one remedy"
    loa.stop()
    assert "`loa rebuild portal`" in loa.cli("status").out, "also where no Loa runs"
    loa.start()
    second = publish(loa, 2)
    wait_until(lambda: "`loa rebuild portal`" in loa.cli("trace", second).out, "a planned delivery")
    assert "index-lost" in rules(loa)
    assert loa.page_status(f"/tin/{second}/") == 503
    assert not folder.exists(), "nothing is made in its place, so that it can be put back"
    assert loa.cli("rebuild", "portal").exit_code == 0
    loa.trace_when_complete(second)
    assert [loa.page_status(f"/tin/{one}/") for one in (first, second)] == [200, 200]
    assert rules(loa) == set()


def test_a_damaged_directory_of_readers_stops_no_start(loa):
    loa.readers(3)
    loa.stop()
    (loa.data / "directory.sqlite").write_bytes(b"no database at all" * 100)
    loa.start()
    assert loa.log().count('"directory_set_aside"') == 1
    wait_until(lambda: loa.request("/readyz").status == 200, "everybody is known again")
    (loa.data / "directory.sqlite").unlink()
    assert loa.process.wait(90) != 0
    assert '"directory_file_gone"' in loa.log()
    loa.start()
    wait_until(lambda: loa.request("/readyz").status == 200, "everybody is known again")
