"""Status: what is wrong or soon will be, for `loa status` and `/readyz`, from one source."""
