"""What is woken by a message: intake, dispatch, deliver, feedback; and the `loa` command.

May import: contracts, channels, and `producers.bus`. Only the composition root
(`consumers.app`, `consumers.cli`) reads settings and borrows more than the bus from producers.
"""
