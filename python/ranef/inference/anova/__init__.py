"""F tests of the terms of the fixed effects: of types 1, 2 and 3, and by deletion."""
