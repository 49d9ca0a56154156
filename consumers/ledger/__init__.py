"""The delivery ledger: rules (`entry`, `moves`, `cursor`), text form (`codec`), `store`, wake-ups.

May import contracts, channels.base and producers.bus."""
