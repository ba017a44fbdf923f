"""Linear models whose rows are correlated or have variances of their own."""
