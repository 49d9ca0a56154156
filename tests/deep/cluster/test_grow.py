"""From one server to three, and back to one: by a backup, with nothing in doubt."""

from consumers.operations import restore
from contracts import subjects
from producers.bus import Bus, topology
from tests.support.restored_bus import new_machine, opened_backup, save_bus

STREAM = subjects.DEAD.name


async def test_a_backup_goes_from_one_server_to_a_cluster_and_back(
    own_bus, cluster, tmp_path, clock
):
    seq = (await own_bus.publish("dead.intake", b"kept")).seq
    await save_bus(own_bus, tmp_path, clock)
    async with await Bus.connect(cluster.url, name="test", replicas=3) as three:
        await restore.restore_backup(three, opened_backup(tmp_path / "backup"), clock, moved=True)
        await cluster.until_all_current(three)
        assert (await three.get_message(STREAM, seq)).data == b"kept"
        (tmp_path / "back").mkdir()
        await save_bus(three, tmp_path / "back", clock)
    async with new_machine(tmp_path) as one:
        saved = opened_backup(tmp_path / "back" / "backup")
        await restore.restore_backup(one, saved, clock, moved=True)
        infos = (await topology.stream_infos(one)).values()
        assert {info["config"]["num_replicas"] for info in infos} == {1}
        assert (await one.get_message(STREAM, seq)).data == b"kept"
