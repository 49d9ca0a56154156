"""A real Loa whose portal folder, or directory of readers, is lost: nothing goes on as if new."""

import pytest

from tests.support.loa_process import LoaProcess, wait_until

pytestmark = pytest.mark.timeout(180)


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


def test_a_lost_portal_folder_stands_until_it_is_made_anew(loa):
    first = publish(loa, 1)
    loa.trace_when_complete(first)
    loa.stop()
    (loa.data / "portal").rename(loa.folder / "away")
    loa.start()
    assert '"index_lost"' in loa.log()
    second = publish(loa, 2)
    wait_until(lambda: "index_lost" in str(loa.request("/readyz").body), "a breaker that says why")
    for words in (["status"], ["trace", second]):
        assert "`loa rebuild portal`" in loa.cli(*words).out, words
    assert "index-lost" in rules(loa)
    assert loa.page_status(f"/tin/{second}/") == 503
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
    assert loa.process.wait(30) != 0
    assert '"directory_file_gone"' in loa.log()
    loa.start()
    wait_until(lambda: loa.request("/readyz").status == 200, "everybody is known again")
