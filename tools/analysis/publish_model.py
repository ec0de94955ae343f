"""A checkpoint to give away: python tools/analysis/publish_model.py IN OUT. ``--help`` lists the options."""
from segkit.apis.cli import run
from segkit.apis.publish_model import main

if __name__ == '__main__':
    run(main)
