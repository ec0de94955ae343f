"""Parameters and multiply-adds of a network: python tools/analysis/get_flops.py CONFIG. see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.get_flops import main

if __name__ == '__main__':
    run(main)
