"""Parameters that a user states, in the place of estimates."""
