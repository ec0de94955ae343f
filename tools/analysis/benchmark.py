"""How long predictions take: python tools/analysis/benchmark.py CONFIG [CHECKPOINT]. ``--help`` lists the options."""
from segkit.apis.benchmark import main
from segkit.apis.cli import run

if __name__ == '__main__':
    run(main)
