"""Curves of runs: python tools/analysis/analyze_logs.py RUN ... --out curves.png. ``--help`` lists the options."""
from segkit.apis.analyze_logs import main
from segkit.apis.cli import run

if __name__ == '__main__':
    run(main)
