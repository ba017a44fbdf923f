"""Models of ordered categories."""
