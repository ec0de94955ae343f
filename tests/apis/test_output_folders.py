"""Nothing is written into folders that images or masks are read from."""
from pathlib import Path

import pytest
from mmengine.config import ConfigDict

from segkit.apis.output_folders import data_folders, refuse_inputs
from segkit.errors import ConfigError


def test_the_same_folder_by_another_name_is_refused(tmp_path, monkeypatch):
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'photos')
    monkeypatch.chdir(tmp_path)
    for folder in ('photos', './photos/', 'link', str(tmp_path / 'photos')):
        with pytest.raises(ConfigError, match=r'--out-dir .* \(photos\)'):
            refuse_inputs('--out-dir', folder, [Path('photos')])
    refuse_inputs('--out-dir', 'photos/out', [Path('photos')])
    refuse_inputs('--out-dir', 'new', [Path('photos')])


def test_folders_of_wrapped_datasets():
    inner = dict(type='BaseSegDataset', data_root='d', data_prefix=dict(img_path=['a', 'b'], seg_map_path='m'))
    cfg = ConfigDict(test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[inner])))
    assert data_folders(cfg, 'test') == {Path('d/a'), Path('d/b'), Path('d/m')}
