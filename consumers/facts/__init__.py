"""Facts: written behind the logs that have them already, rebuilt from there, compared with them."""
