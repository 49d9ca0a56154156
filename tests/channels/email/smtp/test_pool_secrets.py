"""Another password for the relay while mail is on its way."""

from pydantic import SecretStr

from channels.email.settings import EmailSettings
from channels.email.smtp.pool import ConnectionPool


class Connection:
    """A connection as far as a pool lends it."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_idle_connections_end_and_those_at_work_go_on():
    settings = EmailSettings(
        host="a", from_="a@moha.example", password="cũ", fallback_host="b", fallback_password="cũ 2"
    )
    pool, idle, lent = ConnectionPool(settings, 5), Connection(), Connection()
    pool.release(idle)
    new = settings.model_copy(
        update={"password": SecretStr("mới"), "fallback_password": SecretStr("mới 2")}
    )
    pool.use(new)
    assert (idle.is_closed, lent.is_closed) == (True, False)
    assert pool.settings.password.get_secret_value() == "mới"
    assert pool.fallback.password.get_secret_value() == "mới 2"
