"""Facts about units' items: told on the bus, each once, and delivered to units' web addresses.

May import consumers.check, consumers.facts, consumers.dead_letters, consumers.intake and
producers.bus."""
