"""How fast Loa mails one event to 20,000 readers, beside Postfix's own load generator."""
