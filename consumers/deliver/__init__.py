"""Deliver: send the batches of one channel, window by window, under the ledger's rules.

May import contracts, channels.base, channels.errors, producers.bus, and consumers.ledger,
channel_health, recipients and runtime."""
