"""Credentials and TLS on a real nats-server: who is let in, and what is said to who is not."""

import asyncio
import socket
import threading

import pytest
import trustme

from producers.access import Access
from producers.bus import AccessRefused, Bus, UntrustedServer
from tests.support.nats_jwt import Operator, new_key
from tests.support.waiting import until

JETSTREAM = "jetstream { store_dir: STORE, sync_interval: always }\n"
UNCLOSED = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""nats-py leaves a connection that it dialled in vain to the garbage collector."""


async def works(bus):
    """Whether a message goes out and comes back."""
    heard = asyncio.Event()

    async def hear(_):
        heard.set()

    await bus.nc.subscribe("a.b", cb=hear)
    await bus.nc.publish("a.b", b"")
    async with asyncio.timeout(5):
        await heard.wait()
    return True


async def refused(url, access=None, match="Authorization Violation"):
    """The refusal, which comes without waiting for *patience_s*."""
    with pytest.raises(AccessRefused, match=match) as found:
        await Bus.connect(url, access=access, patience_s=3600)
    return found.value


def write_seed(path, key):
    path.touch(mode=0o600)
    path.write_bytes(key.seed)
    return path


async def test_an_nkey_is_let_in_and_no_other(other_server, tmp_path):
    key = new_key()
    own, other = write_seed(tmp_path / "a.nk", key), write_seed(tmp_path / "b.nk", new_key())
    with other_server(f"authorization {{ users: [{{nkey: {key.name}}}] }}") as server:
        async with await Bus.connect(server.url, access=Access(nkey_file=own)) as bus:
            assert await works(bus)
        error = await refused(server.url, Access(nkey_file=other))
        assert error.variable == "LOA_NATS_NKEY_FILE"
        assert (await refused(server.url)).variable == "LOA_NATS_URL"


async def test_a_user_and_a_password_are_let_in_and_no_others(other_server):
    with other_server("authorization { user: bo, password: mat-khau }") as server:
        async with await Bus.connect(server.url, access=Access(user="bo", password="mat-khau")):
            pass
        url = server.url.replace("//", "//bo:mat-khau@")
        async with await Bus.connect(url):
            pass
        for access in (Access(password="mat-khau"), Access(user="bo", password="khac")):
            error = await refused(server.url, access)
            assert error.variable == "LOA_NATS_PASSWORD"
            assert access.password not in str(error)


async def test_a_credentials_file_is_let_in_and_a_strangers_is_not(other_server, tmp_path):
    operator = Operator()
    access = Access(operator.write_credentials(tmp_path / "user.creds", 3600))
    stranger = Access(Operator().write_credentials(tmp_path / "khac.creds"))
    with other_server(JETSTREAM + operator.settings) as server:
        async with await Bus.connect(server.url, access=access) as bus:
            assert await works(bus)
        assert (await refused(server.url, stranger)).variable == "LOA_NATS_CREDS_FILE"


@UNCLOSED
async def test_a_credentials_file_torn_for_a_moment_does_not_end_reconnecting(
    other_server, tmp_path, capsys
):
    operator, path = Operator(), tmp_path / "user.creds"
    access = Access(operator.write_credentials(path))
    with other_server(JETSTREAM + operator.settings) as server:
        async with await Bus.connect(server.url, access=access) as bus:
            whole = path.read_text()
            path.write_text(whole[:300])
            bus.nc._transport.close()
            await until(lambda: "UnusableFile" in capsys.readouterr().out, 10)
            path.write_text(whole)
            await until(lambda: bus.nc.is_connected, 10)
            assert await works(bus)


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def tls_server(other_server, authority, tmp_path):
    """A nats-server with a password, and with a certificate of *authority* for its names."""

    def start(*names):
        certificate = authority.issue_cert(*names)
        key, chain = tmp_path / "server.key", tmp_path / "server.pem"
        certificate.private_key_pem.write_to_path(key)
        certificate.cert_chain_pems[0].write_to_path(chain)
        return other_server(
            f'tls {{ cert_file: "{chain}", key_file: "{key}" }}\n'
            "authorization { user: loa, password: mat-khau }"
        )

    return start


def trusting(authority, folder):
    authority.cert_pem.write_to_path(path := folder / "ca.pem")
    return Access(ca_file=path, password="mat-khau")


async def test_a_server_of_the_named_ca_is_trusted_over_tls(tls_server, authority, tmp_path):
    with tls_server("127.0.0.1") as server:
        for url in (server.url, server.url.replace("nats:", "tls:")):
            async with await Bus.connect(url, access=trusting(authority, tmp_path)) as bus:
                assert bus.connection.server_info["tls_required"]
                assert await works(bus)


@UNCLOSED
async def test_a_server_of_another_ca_or_another_name_is_not_trusted(
    tls_server, authority, tmp_path
):
    with tls_server("127.0.0.1") as server:
        for access in (Access(password="mat-khau"), trusting(trustme.CA(), tmp_path)):
            error = await refused(server.url, access, match="certificate verify|self-signed|issuer")
            assert isinstance(error, UntrustedServer)
    with tls_server("khac.example") as server:
        error = await refused(server.url, trusting(authority, tmp_path), match="mismatch")
        assert isinstance(error, UntrustedServer)


class EagerServer:
    """Takes connections, offers no TLS, and records all that clients say."""

    def __init__(self):
        self.heard = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                client.sendall(
                    b'INFO {"server_id":"X","version":"2.15.1","auth_required":true}\r\n'
                )
                while got := client.recv(4096):
                    self.heard += got


async def test_no_credentials_go_to_a_server_that_offers_no_tls(authority, tmp_path):
    """Who sits between us and the server can take its offer of TLS away."""
    with EagerServer() as server:
        for scheme, access in (
            ("nats", trusting(authority, tmp_path)),
            ("tls", Access(password="mat-khau")),
        ):
            url = f"{scheme}://127.0.0.1:{server.port}"
            error = await refused(url, access, match="does not offer TLS")
            assert isinstance(error, UntrustedServer)
        assert b"CONNECT" not in server.heard
