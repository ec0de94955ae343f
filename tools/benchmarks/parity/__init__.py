"""Parts of tools/benchmarks/parity.py.

``side`` and the modules ``*_side`` and ``inputs`` run under either environment and import segkit or MMSegmentation only
where they are told which; the others are segkit's side of the comparison.
"""

PARTS = ('models', 'training', 'samples', 'metric', 'losses', 'checkpoint')  # what can be compared
