"""Which checkpoint of a run folder is gone on from."""
import pytest

from segkit.engine.last_checkpoint import find_last_checkpoint, iteration_of
from segkit.errors import ConfigError


def test_last_checkpoint_is_the_one_named(tmp_path):
    for name in ('iter_9.pth', 'iter_20.pth', 'iter_100.pth', 'best_mIoU.pth'):
        (tmp_path / name).touch()
    assert find_last_checkpoint(tmp_path) == str(tmp_path / 'iter_100.pth')  # by number, not by name
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_20.pth'))
    assert find_last_checkpoint(tmp_path) == str(tmp_path / 'iter_20.pth')
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/iter_9.pth')
    assert find_last_checkpoint(tmp_path) == str(tmp_path / 'iter_9.pth')


def test_copy_of_a_run_folder_goes_on_from_its_own_checkpoint(tmp_path):
    for folder in ('run', 'copy'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'iter_9.pth').touch()
        (tmp_path / folder / 'last_checkpoint').write_text(str(tmp_path / 'run/iter_9.pth'))
    assert find_last_checkpoint(tmp_path / 'copy') == str(tmp_path / 'copy/iter_9.pth')


def test_best_weights_are_nothing_to_resume(tmp_path):
    (tmp_path / 'best_mIoU.pth').touch()
    with pytest.raises(ConfigError, match='--resume: no checkpoint in'):
        find_last_checkpoint(tmp_path)


def test_iteration_of_a_run_folder(tmp_path):
    assert iteration_of(tmp_path) is None and iteration_of(tmp_path / 'not there') is None
    for number in (40, 200):
        (tmp_path / f'iter_{number}.pth').touch()
    assert iteration_of(tmp_path) == 200
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_40.pth'))
    assert iteration_of(tmp_path) == 40
