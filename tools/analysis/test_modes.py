"""One checkpoint in several test modes: python tools/analysis/test_modes.py CONFIG CHECKPOINT; see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.test_modes import main

if __name__ == '__main__':
    run(main)
