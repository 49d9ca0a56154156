"""Reports of live facts: a copy of their rows in a file, and the figures of any days from it."""
