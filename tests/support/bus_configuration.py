"""Output of `loa bus config`, as the settings of a test's server."""

import re
from pathlib import Path

from producers.bus_access import certificates
from producers.bus_access.configuration import ConfigurationFolder, ServerPlace


def write_configuration(folder: Path, hosts: tuple[str, ...] = ()) -> ConfigurationFolder:
    """The whole configuration in *folder*."""
    written = ConfigurationFolder(folder)
    if hosts:
        certificates.issue(written.ca, written.server, hosts)
    written.write(ServerPlace())
    return written


def server_settings(folder: Path) -> str:
    """Settings for `other_server`, which names address and store itself."""
    server = folder / "server"
    settings = re.sub(r"^(listen|http): .*\n", "", (server / "nats.conf").read_text(), flags=re.M)
    settings = re.sub(r"store_dir: \S+", "store_dir: STORE", settings)
    for name in ("accounts", "tls"):
        included = (server / f"{name}.conf").read_text()
        settings = settings.replace(f'include "{name}.conf"', included)
    return settings.replace('_file: "', f'_file: "{server}/')
