"""Lets every test import what tests share,
``from reference.store import load_case``, and press Ctrl-C.
"""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# A shell starts commands in the background with this signal ignored, and what waits for it would
# wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
