"""Mean functions of nonlinear models: formulas, self-starting curves, functions of the user's."""
