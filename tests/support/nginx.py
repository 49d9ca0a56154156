"""An nginx of the test's own, with the settings that the portal's README recommends."""

import getpass
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.parts.serving import wait_for
from tests.support import requirements

README = Path(__file__).parents[2] / "channels/portal/README.md"
MAPS, SERVER = re.findall(r"```nginx\n(.*?)```", README.read_text(), re.S)
ROOT = "/var/lib/loa/portal/public"
CONF = """\
user {user};
pid {run}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  {maps}
  server {{ listen 127.0.0.1:{port}; {server} }}
}}
"""


@contextmanager
def nginx(run: Path, public: Path) -> Iterator[str]:
    """One with the recommended settings; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = SERVER.replace(ROOT, str(public))
    said = CONF.format(user=getpass.getuser(), run=run, port=port, maps=MAPS, server=server)
    (run / "nginx.conf").write_text(said)
    options = ["-e", run / "error.log", "-c", run / "nginx.conf", "-g", "daemon off;"]
    process = subprocess.Popen([requirements.NGINX, *options])
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
