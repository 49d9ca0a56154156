"""A restore that is interrupted at any stream is only ever repeated."""

import pytest

from consumers.operations import backup, restore
from producers.bus import Bus, NoReply, UnfitServer, topology
from tests.support.restored_bus import contents, new_machine, opened_backup, save_pipeline


@pytest.mark.parametrize("stream", backup.SAVE_ORDER)
async def test_a_restore_cut_short_can_only_be_repeated(pipeline, tmp_path, monkeypatch, stream):
    await pipeline.plan()
    await save_pipeline(pipeline, tmp_path)
    real = Bus.restore_snapshot

    async def cut(bus, name, *args):
        if name == stream:
            raise NoReply("killed here")
        await real(bus, name, *args)

    async with new_machine(tmp_path) as bus:
        with monkeypatch.context() as patched, pytest.raises(NoReply):
            patched.setattr(Bus, "restore_snapshot", cut)
            await restore.restore_backup(bus, opened_backup(tmp_path / "backup"), pipeline.clock)
        with pytest.raises(UnfitServer, match="cut short"):
            await topology.apply(bus)
        await restore.restore_backup(bus, opened_backup(tmp_path / "backup"), pipeline.clock)
        await topology.apply(bus)
        assert (await contents(bus))[stream] if stream in ("PUBLICATIONS", "KV_ledger") else True
