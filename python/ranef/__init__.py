"""Mixed-effects models as lme4 specifies them, in Python on a Rust core."""
