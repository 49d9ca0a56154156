"""The composition root: reads settings, builds the parts once, and runs them as services."""
