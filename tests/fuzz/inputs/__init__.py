"""Fuzzers of what users hand in: formulas, text files and files of saved models.

Whatever the input, it is taken or refused by a `RanefError`: no crash, no exception or warning of
a dependency, no hang. Every input follows from its number alone.
"""
