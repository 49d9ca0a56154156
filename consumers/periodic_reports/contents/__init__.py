"""The contents of a report: texts, tables and charts, before any file is made of them."""
