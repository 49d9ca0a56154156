"""The subscriber directory: an SQLite projection that answers who gets a publication, and where.

May import contracts, producers.bus, consumers.recipients and consumers.runtime."""
