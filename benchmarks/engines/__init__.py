"""One file for each program that is timed; all answer :class:`benchmarks.engines.sample.Sample` records."""
