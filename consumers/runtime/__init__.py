"""Runtime of the message handlers: acknowledgement, lanes and logging.

May import contracts, producers.bus and consumers.dead_letters."""
