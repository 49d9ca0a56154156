"""The page that shows what followers of the sandbox's Official Account see."""
