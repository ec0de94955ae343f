"""Write another project's weights as a checkpoint: import_weights.py SOURCE FILE OUT; see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.import_weights import main

if __name__ == '__main__':
    run(main)
