"""Dispatch: a publication's recipients on one channel become batches in the ledger.

May import contracts, producers.bus, consumers.ledger and consumers.runtime."""
