"""Models made from sums over rows, without the rows."""
