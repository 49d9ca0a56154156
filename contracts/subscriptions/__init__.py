"""Subscribers: their preferences, sign-up, transactional mail, digests and reactions.

May import contracts."""
