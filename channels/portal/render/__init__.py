"""From the index to bytes: HTML pages, feeds, site maps. Builds on model, index and search."""
