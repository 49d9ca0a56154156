"""The calls of Zalo's API that the sandbox answers."""
