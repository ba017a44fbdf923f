"""How a fit ended, and what a user is told of it."""
