"""The suppression list: its store on the bus, and the copy in memory that e-mail workers ask."""
