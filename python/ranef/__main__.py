"""The command line, as ``python -m ranef``."""

from ranef.cli import main

if __name__ == "__main__":
    main()
