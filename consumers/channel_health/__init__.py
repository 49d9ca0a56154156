"""Channel health: breakers, pauses, destinations, readback and canaries.

May import contracts, channels.base, producers.bus, and consumers.ledger, messages and runtime."""
