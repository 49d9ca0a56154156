"""Serving the portal's feeds: Loa's own server beside nginx, which serves the same files."""

import getpass
import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import bus, loa
from bench.figures import Figure, Findings, Target, at_least, ratios, typical
from bench.portal import folder_of
from bench.sizes import Sizes
from bench.tools import tool

PART = "serving"
RELAY = 25  # nothing is mailed: only the portal runs
FEED = "/nguon-tin/tat-ca.rss"
CLIENTS = "50"
RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
WRONG = re.compile(r"Non-2xx or 3xx responses|Socket errors")
START_S = 10
NGINX = """\
user {user};
worker_processes 1;
pid {run}/nginx.pid;
error_log {run}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  open_file_cache max=1000;
  keepalive_requests 1000000;
  types {{ application/rss+xml rss; text/html html; }}
  client_body_temp_path {run}/body; proxy_temp_path {run}/proxy; fastcgi_temp_path {run}/fastcgi;
  uwsgi_temp_path {run}/uwsgi; scgi_temp_path {run}/scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def measure(sizes: Sizes) -> Findings:
    """Whole feeds, and the answer that nothing has changed; one process each, 50 clients."""
    whole: dict[str, list[float]] = {"nginx": [], "loa": []}
    same: dict[str, list[float]] = {"nginx": [], "loa": []}
    with loa.joined(PART, RELAY, bus.DEFAULT, ["portal"]) as server:
        public = folder_of(server.folder / "portal", items=60)
        with nginx(public, server.folder / "nginx") as files:
            for _ in range(sizes.repetitions):
                for who, url in (("nginx", files), ("loa", server.url.rstrip("/"))):
                    whole[who].append(rate(url, sizes.serving_s))
                    same[who].append(rate(url, sizes.serving_s, tag(url)))
    return Findings(
        [
            typical(PART, "a feed of 50 items, requests", "/s", whole["loa"]),
            line("Loa ÷ nginx with the files", whole, at_least(0.6)),
            typical(PART, "304, nothing new, requests", "/s", same["loa"]),
            line("304: Loa ÷ nginx with the files", {**whole, "loa": same["loa"]}, at_least(0.8)),
            line("304: Loa ÷ nginx's own 304", same),
        ],
        [{"part": PART, "whole_per_s": whole, "same_per_s": same}],
    )


def line(name: str, rates: dict[str, list[float]], target: Target | None = None) -> Figure:
    return typical(PART, name, "x", ratios(rates["loa"], rates["nginx"]), target)


@contextmanager
def nginx(root: Path, run: Path) -> Iterator[str]:
    """nginx with one worker and a configuration of its own; yields its address."""
    run.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = run / "nginx.conf"
    settings.write_text(NGINX.format(user=getpass.getuser(), run=run, root=root, port=port))
    command = [tool("nginx"), "-e", run / "error.log", "-c", settings, "-g", "daemon off;"]
    process = subprocess.Popen(command)
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait_for(port: int) -> None:
    """Return once a server listens. Raises ConnectionRefusedError."""
    until = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port)):
                return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def tag(url: str) -> str:
    with urllib.request.urlopen(url + FEED) as answer:
        found: str = answer.headers["ETag"]
    return found


def rate(url: str, seconds: int, known: str = "") -> float:
    """Requests a second. Raises ValueError when some were not answered as they should be."""
    headers = ["-H", f"If-None-Match: {known}"] if known else []
    command = [tool("wrk"), "-t", "1", "-c", CLIENTS, "-d", f"{seconds}s", *headers, url + FEED]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = RATE.search(said)
    if found is None or WRONG.search(said):
        raise ValueError(json.dumps(said))
    return float(found[1])
