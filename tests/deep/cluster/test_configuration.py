"""The cluster of deploy/cluster: its file is a nats-server's, and its servers trust each other."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from producers.access import Access
from producers.bus import Bus, topology
from producers.bus.server_check import verify
from producers.nats_server import find_binary
from tests.support.bus_configuration import write_configuration
from tests.support.nats_cluster import PATIENCE_S, ClusterServer, NatsCluster, meta_leader

DEPLOY = Path(__file__).parents[3] / "deploy" / "cluster"
NAMES = ("nats-1", "nats-2", "nats-3")


@pytest.fixture
def configuration(tmp_path):
    """Output of `loa bus config` for the three names, and this machine."""
    return write_configuration(tmp_path / "bus", (*NAMES, "127.0.0.1"))


def copy_folder(configuration, folder: Path) -> Path:
    """The folder of one server, as docs/cluster.md has it made."""
    shutil.copytree(configuration.server, folder, dirs_exist_ok=True)
    shutil.copy(configuration.ca_file, folder)
    shutil.copy(DEPLOY / "nats.conf", folder)
    return folder / "nats.conf"


def test_the_file_is_one_that_a_nats_server_takes(configuration, tmp_path):
    file = copy_folder(configuration, tmp_path / "nats-1")
    tried = subprocess.run(
        [find_binary(), "-t", "-c", file], cwd=file.parent,
        env=os.environ | {"SERVER_NAME": "nats-1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (tried.returncode, "is valid" in tried.stderr) == (0, True), tried.stderr


class DeployedCluster(NatsCluster):
    """Servers with the file of deploy/cluster, at other addresses."""

    def start(self, name: str) -> None:
        server = self.servers[name]
        settings = (server.folder / "nats.conf").read_text().replace("$SERVER_NAME", name)
        for old, new in self.places(server).items():
            assert old in settings, old
            settings = settings.replace(old, new)
        server.start(settings)

    def places(self, own: ClusterServer) -> dict[str, str]:
        places = {
            "0.0.0.0:4222": f"127.0.0.1:{own.client}",
            "127.0.0.1:8222": f"127.0.0.1:{own.monitor}",
            "0.0.0.0:6222": f"127.0.0.1:{own.route}",
            '"/data"': f'"{own.store}"',
        }
        routes = {f"{one.name}:6222": f"127.0.0.1:{one.route}" for one in self.servers.values()}
        return places | routes


async def test_three_servers_find_each_other_over_tls_and_keep_every_stream(
    configuration, tmp_path
):
    cluster = DeployedCluster(tmp_path / "servers")
    for name in NAMES:
        copy_folder(configuration, cluster.add(name).folder)
    try:
        for name in NAMES:
            cluster.start(name)
        async with asyncio.timeout(PATIENCE_S):
            while not await meta_leader(cluster):
                await asyncio.sleep(0.05)
        access = Access(
            nkey_file=configuration.keys.path("loa-admin"), ca_file=configuration.ca_file
        )
        url = ",".join(f"tls://127.0.0.1:{one.client}" for one in cluster.servers.values())
        patience = {"patience_s": PATIENCE_S, "replicas": 3}
        async with await Bus.connect(url, access=access, **patience) as bus:
            await bus.connection.repeatable_api_request("INFO", patience_s=PATIENCE_S)
            await verify(bus)
            told = bus.connection.server_info["connect_urls"]
            assert {*told} == {f"{one.name}:{one.client}" for one in cluster.servers.values()}
            await topology.apply(bus)
            await cluster.until_all_current(bus)
    finally:
        cluster.end()
