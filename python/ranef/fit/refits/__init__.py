"""A model fitted again: to other responses, other rows or other terms."""
