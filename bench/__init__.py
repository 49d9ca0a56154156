"""How fast Loa is, beside what the machine allows and beside others doing the same work."""
