"""Show what the network really sees: python tools/analysis/browse_dataset.py CONFIG. ``--help`` lists the options."""
from segkit.apis.browse_dataset import main
from segkit.apis.cli import run

if __name__ == '__main__':
    run(main)
