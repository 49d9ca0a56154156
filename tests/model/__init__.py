"""A seeded simulation that runs the product's own delivery code in virtual time; see README.md."""
