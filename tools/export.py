"""Export to ONNX or torch.export: python tools/export.py [CONFIG] CHECKPOINT --out FILE; see ``--help``."""
from segkit.apis.cli import run
from segkit.apis.export import main

if __name__ == '__main__':
    run(main)
