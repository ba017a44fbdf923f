"""Install a wheel or source archive where there is nothing else, and fit five models with it:
``python scripts/try_wheel.py dist/*.whl``.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from suite import environment


def main() -> None:
    (artefact,) = sys.argv[1:]
    smoke = Path(__file__).with_name("smoke.py").resolve()
    with tempfile.TemporaryDirectory() as work:
        python = environment(Path(work, "environment"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(Path(artefact).resolve())], check=True)
        subprocess.run([python, "-m", "pip", "check"], check=True)
        # elsewhere, so that nothing of the checkout is imported
        subprocess.run([python, str(smoke)], check=True, cwd=work)


if __name__ == "__main__":
    main()
