"""What modules give for a photo: python tools/analysis/feature_maps.py CONFIG CHECKPOINT IMAGE --out-dir DIR."""
from segkit.apis.cli import run
from segkit.apis.feature_maps import main

if __name__ == '__main__':
    run(main)
