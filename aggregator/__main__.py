"""``python -m aggregator`` is ``quorate-aggregator``."""

from aggregator.cli import main

if __name__ == "__main__":
    main()
