"""Classes taken for others: python tools/analysis/confusion_matrix.py CONFIG PREDICTIONS DIR; see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.confusion_matrix import main

if __name__ == '__main__':
    run(main)
