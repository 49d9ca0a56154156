"""Who may do what on the bus: the server's accounts and users.

May import contracts and producers.access.
"""
