"""Evidence of losses and acts: the anchor outside the bus, the chained audit log."""
