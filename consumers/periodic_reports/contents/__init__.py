"""What a report says: texts, tables and charts, before any file is made of them."""
