"""Mail to staff about items on the desk: who is told of which act, each once.

May import consumers.editorial, consumers.subscribers and producers.bus."""
