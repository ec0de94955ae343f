"""Nothing is written into folders that images or masks are read from."""
from pathlib import Path

import pytest
from mmengine.config import ConfigDict

from segkit.apis.output_folders import data_folders, refuse_file, refuse_inputs, refuse_other_content
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


@pytest.mark.parametrize('folder', ['file', 'file/below'])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, folder):
    (tmp_path / 'file').touch()
    refuse_file('--out-dir', tmp_path / 'new/one')
    with pytest.raises(ConfigError, match=r'--out-dir .*file.*: .*/file is a file; a folder was expected'):
        refuse_file('--out-dir', tmp_path / folder)


def test_probabilities_have_a_folder_of_their_own(tmp_path):
    refuse_other_content('--save-probs', tmp_path / 'new')
    refuse_other_content('--save-probs', tmp_path)
    (tmp_path / 'index.json').write_text('{"annotations": []}')
    with pytest.raises(ConfigError, match='holds something else, such as index.json'):
        refuse_other_content('--save-probs', tmp_path)
    (tmp_path / 'index.json').write_text('{"ways": []}')  # of a test that was stopped
    refuse_other_content('--save-probs', tmp_path)
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(ConfigError, match='--save-probs .* holds something else, such as a.jpg'):
        refuse_other_content('--save-probs', tmp_path)
    (tmp_path / 'b.npy').touch()
    with pytest.raises(ConfigError, match='holds probabilities already, such as b.npy'):
        refuse_other_content('--save-probs', tmp_path)
