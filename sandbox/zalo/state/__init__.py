"""The state of the Zalo sandbox, rebuilt from its journal at each start."""
