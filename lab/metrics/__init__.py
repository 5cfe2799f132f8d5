"""One module a scorer."""
