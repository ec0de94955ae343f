"""Evaluate a segmentor: python tools/test.py CONFIG CHECKPOINT. ``--help`` lists the options."""
from segkit.apis.cli import run
from segkit.apis.test import main

if __name__ == '__main__':
    run(main)
