"""One file for each program that is timed.

All answer :class:`benchmarks.engines.sample.Sample` records.
"""
