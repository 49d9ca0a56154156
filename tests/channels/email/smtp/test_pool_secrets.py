"""Another password for the relay while mail is on its way."""

from pydantic import SecretStr

from channels.email.relays import load_relays
from channels.email.settings import EmailSettings
from channels.email.smtp.pool import ConnectionPool
from tests.support.smtp_receiver import SmtpReceiver


async def test_idle_connections_end_and_those_at_work_go_on():
    async with SmtpReceiver() as relay:
        settings = EmailSettings(
            host="127.0.0.1",
            port=relay.port,
            tls="none",
            from_="a@moha.example",
            password="cũ",
            fallback_host="b",
            fallback_password="cũ 2",
        )
        pool = ConnectionPool(settings, 5)
        (idle, _), (lent, _) = await pool.acquire(), await pool.acquire()
        pool.release(idle)
        new = settings.model_copy(
            update={"password": SecretStr("mới"), "fallback_password": SecretStr("mới 2")}
        )
        pool.use(load_relays(new))
        assert (idle.protocol.transport.is_closing(), lent.is_closed) == (True, False)
        passwords = [one.settings.password.get_secret_value() for one in pool.relays]
        assert passwords == ["mới", "mới 2"]
        lent.close()
