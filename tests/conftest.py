"""Lets every test import what tests share: ``from reference.store import load_case``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
