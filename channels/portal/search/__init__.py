"""Full-text search: documents, index, queries, snippets. Builds on model, index and storage."""
