"""Train a segmentor: python tools/train.py CONFIG. ``--help`` lists the options."""
from segkit.apis.cli import run
from segkit.apis.train import main

if __name__ == '__main__':
    run(main)
