"""A Loa that reads the state of the bus, and tries a broken channel, every second."""

from consumers.channel_health import breaker, gate
from consumers.cli import main
from consumers.status import facts

breaker.PROBE_WAITS_S = (1.0, 1.0, 1.0)
gate.RECENT_SUCCESS_S = 0.0  # the first failure counts, also just after a success
facts._INTERVAL_S = facts._DEAD_INTERVAL_S = 1.0

if __name__ == "__main__":
    main()
