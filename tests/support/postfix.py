"""A real Postfix of the test's own: private configuration, queue and port, ended by its own id.

It relays everything to one downstream server, and what is for the bounce domain to another.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.support.ports import free_port

DAEMONS = Path("/usr/lib/postfix/sbin")
MAIN = """
compatibility_level = 3.6
config_directory = {folder}/conf
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.example
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = loopback-only
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{downstream}
transport_maps = inline:{{ {{ {domain} = smtp:[127.0.0.1]:{bounces} }} }}
smtp_dns_support_level = disabled
smtp_host_lookup = native
maximal_queue_lifetime = 0
bounce_queue_lifetime = 1h
minimal_backoff_time = 1s
queue_run_delay = 1s
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtpd_client_connection_rate_limit = 0
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
START_S = 120.0


class Postfix:
    """*downstream* and *bounces* are ports on this machine, *domain* what goes to the latter.

    Its daemons run as a user of their own, who may not enter pytest's folders.
    """

    def __init__(self, downstream: int, bounces: int, domain: str) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="loa-postfix-"))
        folder.chmod(0o755)
        self.port = free_port()
        said = {"folder": folder, "daemons": DAEMONS, "port": self.port}
        said |= {"downstream": downstream, "bounces": bounces, "domain": domain}
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir()
        (folder / "conf/main.cf").write_text(MAIN.format(**said))
        (folder / "conf/master.cf").write_text(MASTER.format(**said))
        subprocess.run(["chown", "postfix", folder / "data"], check=True)

    @property
    def log(self) -> Path:
        return self.folder / "mail.log"

    def __enter__(self) -> "Postfix":
        self.call("check")
        self.process = subprocess.Popen(
            [DAEMONS / "master", "-c", self.folder / "conf", "-d"],
            env=os.environ | {"MAIL_CONFIG": str(self.folder / "conf")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.wait()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder)

    def call(self, *words: str) -> None:
        command = ["postfix", "-c", str(self.folder / "conf"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr or self.deliver_mail()

    def wait(self) -> None:
        """Return once it greets."""
        until = time.monotonic() + START_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as line:
                    assert line.recv(200).startswith(b"220")
                    return
            except OSError:
                assert self.process.poll() is None, self.deliver_mail()
                assert time.monotonic() < until, self.deliver_mail()
                time.sleep(0.05)

    def deliver_mail(self) -> str:
        return self.log.read_text() if self.log.exists() else "no log"
