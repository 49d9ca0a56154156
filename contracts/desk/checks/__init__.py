"""Services of the checks beside a text: shapes and protocols."""
