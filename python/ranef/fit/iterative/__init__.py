"""The iterative solver: for which models it is, and what its likelihood rests on."""
