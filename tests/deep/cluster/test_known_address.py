"""A client that was told one server's address finds the others when that one dies."""

from producers.bus import Bus
from tests.support.nats_cluster import PATIENCE_S


async def test_a_client_that_knows_one_address_goes_on_with_its_password(cluster, cluster_bus):
    async with await Bus.connect(cluster.servers["n1"].url, name="test") as bus:
        assert (await bus.stream_info("DEAD"))["state"]["messages"] == 0
        cluster.servers["n1"].kill()
        await bus.connection.repeatable_api_request("STREAM.INFO.DEAD", patience_s=PATIENCE_S)
    cluster.start("n1")
    await cluster.until_all_current(cluster_bus)
