"""What happened to the bus and who did it: the anchor outside the bus, the chained audit log."""
