"""Build what makes trials of units: their mails, and their faces at the door."""
