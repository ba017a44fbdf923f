"""A fuzzer of the fits: random data and formulas,
each fit held against independent searches, dense algebra and what must not change it;
and fuzzers of what users hand in (`inputs`), and a soak.

Short in the test suite (``test_fuzz*.py``), long by command from the root of the repository::

    python -m tests.fuzz linear --n 20000 --seed 1 --jobs 2
    python -m tests.fuzz generalized --n 5000 --seed 1
    python -m tests.fuzz families --n 1000 --checks "other starts,dense,invariance"
    python -m tests.fuzz clmm --n 100
    python -m tests.fuzz show linear 1234
    python -m tests.fuzz acceptance
    python -m tests.fuzz formulas --n 1000000
    python -m tests.fuzz archives --n 100000
    python -m tests.fuzz csv --n 100000
    python -m tests.fuzz soak --minutes 10

Every case follows from its number alone: ``linear_case(1234)`` is the same data and formula
everywhere.
"""

import sys
from pathlib import Path

# As tests/conftest.py does for pytest: what tests share is imported from the folder of all tests.
_TESTS = str(Path(__file__).parents[1])
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)
