"""Canaries: small test deliveries, sent all day through the real queues and sessions.

They show that a channel works before the next item does. They never enter the ledger,
PUBLICATIONS, the public feeds or any count.
"""
