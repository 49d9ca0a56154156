"""Who may do what on the bus: rights, keys, accounts, and the server's configuration.

May import contracts, producers.access, producers.bus and cryptography.
"""
