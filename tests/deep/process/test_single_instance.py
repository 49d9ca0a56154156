"""One Loa per folder: a second one is refused, single services may join the first."""

import pytest

from producers.access import without_password
from tests.support.frozen_process import frozen
from tests.support.loa_process import LoaProcess
from tests.support.split_loa import Service


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as loa:
        yield loa


def test_a_second_loa_is_refused_and_the_first_one_goes_on(loa):
    first = loa.ready()
    second = loa.cli("up", "--port", "0")
    assert second.exit_code == 2
    assert f"already runs on {loa.data}" in second.err
    assert "đã có một Loa đang chạy" in second.err
    assert f"process {first.pid}" in second.err
    assert "Traceback" not in second.out + second.err
    assert loa.ready() == first
    loa.add_unit()


def test_a_second_loa_is_refused_while_the_first_one_is_busy(loa):
    with frozen(loa.process.pid):
        assert loa.cli("up", "--port", "0").exit_code == 2


def test_after_a_kill_the_folder_is_free_whatever_was_left_in_it(loa):
    loa.kill()
    assert (loa.data / "run" / "ready.json").exists()
    assert loa.start().pid == loa.process.pid


def test_a_single_service_joins_and_leaves_without_a_trace(loa):
    first = loa.ready()
    joined = Service("feedback", loa.folder, loa.environ | {"LOA_HTTP_PORT": "0"})
    assert joined.url != first.url
    assert joined.logged("ready")["nats_url"] == without_password(first.nats_url)
    assert loa.ready() == first
    assert joined.stop() == 0
    assert loa.ready() == first


def test_a_service_with_its_own_bus_is_the_folders_loa_too(tmp_path):
    loa = LoaProcess(tmp_path, HTTP_PORT=0)
    alone = Service("feedback", tmp_path, loa.environ)
    assert alone.url
    refused = loa.cli("up")
    assert refused.exit_code == 2
    assert f"process {alone.process.pid}" in refused.err
    assert alone.stop() == 0
    assert not (loa.data / "run" / "ready.json").exists()
