"""Services that a message wakes: intake, dispatch, deliver, feedback; and the `loa` command.

May import: contracts, channels, and `producers.bus`. Only the composition root
(`consumers.app`, `consumers.cli`) reads settings and borrows more than the bus from producers.
"""
