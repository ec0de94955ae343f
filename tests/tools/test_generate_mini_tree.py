"""The command that makes a mini tree for a config."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = [sys.executable, 'tools/dataset_converters/generate_mini_tree.py', 'configs/_base_/datasets/cityscapes.py']


def test_makes_the_tree_of_a_base_file_once(tmp_path):
    out = tmp_path / 'mini'
    first = subprocess.run([*TOOL, str(out), '--images', '1'], cwd=ROOT, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert f'train_dataloader.dataset.data_root={out}/data/cityscapes ' in first.stdout
    masks = list(out.rglob('*_gtFine_labelTrainIds.png'))
    assert {str(mask.parent.parent.relative_to(out)) for mask in masks} == {
        f'data/cityscapes/gtFine/{split}' for split in ('train', 'val')}
    again = subprocess.run([*TOOL, str(out)], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2 and 'is not empty' in again.stderr and 'Traceback' not in again.stderr
