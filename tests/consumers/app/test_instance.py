"""A folder has one Loa at most, and its ready file is that Loa's own."""

import asyncio
import json
import os

import pytest

from consumers.app import instance
from consumers.app.settings import LoaSettings, RunningInstance
from contracts.errors import Invalid


@pytest.fixture
def settings(tmp_path):
    settings = LoaSettings(data_dir=tmp_path)
    settings.run_dir.mkdir()
    return settings


def test_a_ready_file_that_can_not_be_read_is_no_running_loa(settings):
    instance.ready_file(settings).mkdir()  # any OSError; even root meets this one
    assert asyncio.run(instance.find_running(settings)) is None


@pytest.mark.parametrize(("pid", "left"), [(1, False), (2, True)])
def test_only_our_own_ready_file_is_removed(settings, pid, left):
    ready = RunningInstance(url="http://loa", nats_url="nats://loa", pid=1)
    with instance.announced(settings, ready):
        told = json.loads(instance.ready_file(settings).read_text())
        instance.ready_file(settings).write_text(json.dumps(told | {"pid": pid}))
    assert instance.ready_file(settings).exists() is left


def test_of_two_one_is_the_folders_loa(settings):
    with instance.exclusive(settings):
        with pytest.raises(Invalid) as caught, instance.exclusive(settings):
            pytest.fail("two at once")
        assert str(settings.data_dir) in str(caught.value)
        (told,) = caught.value.errors
        for said in (told.message, told.message_vi):  # `run` and `restore` have no --data
            assert "LOA_DATA_DIR" in said and "--data" not in said
    with instance.exclusive(settings):
        pass


def test_a_killed_loa_is_told_from_a_stopped_one_with_its_last_sign_of_life(settings):
    ready = RunningInstance(url="http://loa", nats_url="nats://loa", pid=os.getpid())
    assert instance.last_run(settings) == (None, False), "none has run"
    with instance.announced(settings, ready):
        os.utime(instance.ready_file(settings), (1000, 1000))
        at, crashed = instance.last_run(settings)
        assert (at.timestamp(), crashed) == (1000, True), "as if it were killed now"
        asyncio.run(instance.note_life(settings))
        alive = instance.last_run(settings)
        assert alive.at > at and alive.crashed
    stopped = instance.last_run(settings)
    assert stopped.at >= alive.at and not stopped.crashed
    with instance.announced(settings, ready):
        assert instance.last_run(settings).crashed, "it has begun anew"


def test_a_process_gives_no_sign_of_life_for_another(settings):
    asyncio.run(instance.note_life(settings))
    assert instance.last_run(settings) == (None, False)
    with instance.announced(settings, RunningInstance(url="x", nats_url="x", pid=1)):
        os.utime(instance.ready_file(settings), (1000, 1000))
        asyncio.run(instance.note_life(settings))
        assert instance.last_run(settings).at.timestamp() == 1000
