"""An nginx of the test's own, with the settings that the documents recommend."""

import getpass
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.parts.serving import wait_for
from tests.support import requirements
from tests.support.ports import free_port

README = Path(__file__).parents[2] / "channels/portal/README.md"
MAPS, SERVER = re.findall(r"```nginx\n(.*?)```", README.read_text(), re.S)
ROOT = "/var/lib/loa/portal/public"
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
[DESK_SERVER] = re.findall(r"```nginx\n(.*?)```", OPERATIONS.read_text(), re.S)
PORTAL_PAGE = Path(__file__).parents[2] / "docs/portal.md"
[BALANCER] = re.findall(r"```nginx\n(.*?)```", PORTAL_PAGE.read_text(), re.S)
DESK_ADDRESS, DESK_PAIR = "127.0.0.1:8100", "/etc/ssl/private/ban-duyet.pem"
CONF = """\
user {user};
pid {run}/nginx.pid;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {run}/b; proxy_temp_path {run}/p; fastcgi_temp_path {run}/f;
  uwsgi_temp_path {run}/u; scgi_temp_path {run}/s;
  {sites}
}}
"""


@contextmanager
def nginx(run: Path, public: Path) -> Iterator[str]:
    """One that serves the portal's folder; yields its address."""
    port = free_port()
    server = SERVER.replace(ROOT, str(public))
    with running(run, port, f"{MAPS} server {{ listen 127.0.0.1:{port}; {server} }}"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def balancer(run: Path, *servers: str) -> Iterator[str]:
    """One in front of three *servers* at host:port, the first of them the portal's own."""
    port, said = free_port(), BALANCER.replace("listen 443 ssl", "listen 127.0.0.1:PORT")
    for number, server in enumerate(servers, 11):
        said = said.replace(f"10.0.0.{number}:8080", server)
    with running(run, port, said.replace("PORT", str(port))):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx_before(desk: str, run: Path, port: int, pair: Path) -> Iterator[None]:
    """One in front of a *desk* at host:port, with the certificate and key of the file *pair*."""
    said = DESK_SERVER.replace(DESK_ADDRESS, desk).replace(DESK_PAIR, str(pair))
    with running(run, port, said.replace("listen 443", f"listen 127.0.0.1:{port}")):
        yield


@contextmanager
def running(run: Path, port: int, sites: str) -> Iterator[None]:
    said = CONF.format(user=getpass.getuser(), run=run, sites=sites)
    (run / "nginx.conf").write_text(said)
    options = ["-e", run / "error.log", "-c", run / "nginx.conf", "-g", "daemon off;"]
    process = subprocess.Popen([requirements.NGINX, *options])
    try:
        wait_for(port)
        yield
    finally:
        process.terminate()
        process.wait()
