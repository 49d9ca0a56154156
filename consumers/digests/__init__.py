"""Digests: one mail with a day's or a week's publications, for subscribers who chose so.

May import contracts, producers.bus, and consumers.ledger, intake, dispatch and directory."""
