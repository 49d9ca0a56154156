"""The editorial log on the bus: every act on an item that a person decides on.

May import contracts, producers.bus and producers.seals."""
