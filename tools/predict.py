"""Predict photos: python tools/predict.py IMAGE|FOLDER [CONFIG] CHECKPOINT; see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.predict import main

if __name__ == '__main__':
    run(main)
