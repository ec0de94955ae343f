"""Which checkpoint of a run folder is gone on from."""
from pathlib import Path

import pytest
import torch

from segkit.checkpoint import hash_file, trusting, verify, write_atomic
from segkit.engine.last_checkpoint import (
    find_last_checkpoint,
    find_start,
    find_whole_checkpoint,
    is_run_folder,
    iteration_of,
)
from segkit.errors import CheckpointError, ConfigError


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


@pytest.fixture
def folder(tmp_path):
    """A run folder with whole checkpoints at 2, 4 and 6, the last one named."""
    for number in (2, 4, 6):
        write_atomic(dict(w=torch.full((500,), number)), tmp_path / f'iter_{number}.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_6.pth'))
    return tmp_path


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == 'cut':
        data = data[:len(data) // 2]
    elif how == 'empty':
        data = b''
    elif how == 'one bit':
        data[-600] ^= 4
    elif how == 'cut, without hash':
        data = data[:-200]
        hash_file(path).unlink()
    path.write_bytes(data)


def found(folder):
    lines = []
    return Path(find_whole_checkpoint(folder, lines.append)).name, lines


def test_whole_newest_one_is_taken_in_silence(folder):
    before = {p: p.stat().st_mtime_ns for p in folder.iterdir()}
    assert found(folder) == ('iter_6.pth', [])
    assert {p: p.stat().st_mtime_ns for p in folder.iterdir()} == before


@pytest.mark.parametrize('how', ['cut', 'empty', 'one bit', 'cut, without hash'])
def test_damaged_newest_one_is_named_and_the_one_before_is_taken(folder, how):
    damage(folder / 'iter_6.pth', how)
    name, (line,) = found(folder)
    assert name == 'iter_4.pth'
    assert line.startswith('iter_6.pth ') and line.endswith(
        f'; moved to damaged/, going on from {folder / "iter_4.pth"}') and '\n' not in line
    assert (folder / 'last_checkpoint').read_text() == str(folder / 'iter_4.pth')
    assert (folder / 'damaged/iter_6.pth').exists() and not list(folder.glob('iter_6*'))
    assert found(folder) == ('iter_4.pth', [])  # it is not met again
    write_atomic(dict(w=1), folder / 'iter_6.pth')  # and its name is free
    verify(folder / 'iter_6.pth')


def test_several_damaged_ones(folder):
    damage(folder / 'iter_6.pth', 'cut')
    damage(folder / 'iter_4.pth', 'empty')
    name, lines = found(folder)
    assert name == 'iter_2.pth' and [line.split()[0] for line in lines] == ['iter_6.pth', 'iter_4.pth']


def test_all_damaged_is_an_error_that_names_each_and_moves_nothing(folder):
    for number, how in ((2, 'one bit'), (4, 'empty'), (6, 'cut, without hash')):
        damage(folder / f'iter_{number}.pth', how)
    before = sorted(folder.rglob('*'))
    with pytest.raises(CheckpointError) as error:
        found(folder)
    text = str(error.value)
    assert text.startswith(f'--resume: each of the 3 checkpoints in {folder} is damaged:\niter_6.pth ')
    assert 'iter_4.pth (0 bytes) is damaged' in text and 'iter_2.pth' in text and text.count('\n') < 4
    assert sorted(folder.rglob('*')) == before


def test_the_only_one_is_damaged(tmp_path):
    (tmp_path / 'iter_6.pth').write_bytes(b'')
    with pytest.raises(CheckpointError, match='--resume: the only checkpoint in .* is damaged:\niter_6.pth is an'):
        found(tmp_path)


def test_named_one_that_is_gone_is_said(folder):
    (folder / 'iter_6.pth').unlink()
    name, (line,) = found(folder)
    assert name == 'iter_4.pth'
    assert line == (f'{folder / "last_checkpoint"} names {folder / "iter_6.pth"}, which is gone; going on from '
                    f'{folder / "iter_4.pth"}')
    assert found(folder) == ('iter_4.pth', [])


def test_what_lies_behind_the_named_one_comes_last(folder):
    """A run that went on from iter_2 leaves iter_4 and iter_6 of its first life; they are no way back."""
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_4.pth'))
    assert found(folder)[0] == 'iter_4.pth'
    damage(folder / 'iter_4.pth', 'cut')
    assert found(folder)[0] == 'iter_2.pth'
    damage(folder / 'iter_2.pth', 'cut')
    assert found(folder)[0] == 'iter_6.pth'


def test_files_of_a_person_s_own_names_in_another_folder(tmp_path):
    other = tmp_path / 'out'
    for number in (3, 12):
        write_atomic(dict(w=1), other / f'state{number}-full.pth')
    write_atomic(dict(w=1), other / 'other20.pth')
    (tmp_path / 'last_checkpoint').write_text(str(other / 'state12-full.pth'))
    damage(other / 'state12-full.pth', 'cut')
    assert find_whole_checkpoint(tmp_path, lambda line: None) == str(other / 'state3-full.pth')
    assert (other / 'damaged/state12-full.pth').exists()


def test_file_that_asks_for_code_is_no_damage(folder):
    """It is refused with its reason; going back in silence to an older one would lose what it holds."""
    torch.save(dict(meta=Path('x')), folder / 'iter_8.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_8.pth'))
    with pytest.raises(CheckpointError, match='asks for .pathlib'):
        found(folder)
    with trusting():
        assert found(folder) == ('iter_8.pth', [])


@pytest.mark.parametrize('text', ['', '\n', '\0\0\0'])
def test_pointer_that_names_nothing(folder, text):
    (folder / 'last_checkpoint').write_text(text)
    assert found(folder)[0] == 'iter_6.pth'


@pytest.mark.parametrize('source, folder', [
    ('work_dirs/phase1_voc-512x512', True), ('x.pth', False), ('torchvision://resnet50', False), (None, False),
    ('https://a.b/c', False), ('work_dirs/run.v2', True), ('work_dirs/deeplabv3_lr0.01', True),
    ('runs.v2/x.PTH', False),
    *((f'weights/x{suffix}', False) for suffix in ('.pt', '.ckpt', '.pkl', '.safetensors', '.bin', '.pth.tar'))])
def test_what_load_from_means(source, folder):
    assert is_run_folder(source) is folder


def test_file_without_a_suffix_is_a_file(tmp_path):
    (tmp_path / 'weights').touch()
    assert not is_run_folder(tmp_path / 'weights') and is_run_folder(tmp_path)
    (tmp_path / 'weights.v2').touch()
    (tmp_path / 'run.pth').mkdir()
    assert not is_run_folder(tmp_path / 'weights.v2') and is_run_folder(tmp_path / 'run.pth')


def test_another_run_starts_from_the_newest_whole_one_and_moves_nothing(folder):
    said = []
    assert find_start(str(folder), said.append) == str(folder / 'iter_6.pth') and not said
    damage(folder / 'iter_6.pth', 'cut')
    before = sorted(folder.rglob('*'))
    assert find_start(str(folder), said.append) == str(folder / 'iter_4.pth')
    assert len(said) == 1 and said[0].startswith('load_from: iter_6.pth') and said[0].endswith('iter_4.pth')
    assert sorted(folder.rglob('*')) == before and (folder / 'last_checkpoint').read_text().endswith('iter_6.pth')
    for number in (2, 4):
        damage(folder / f'iter_{number}.pth', 'cut')
    with pytest.raises(CheckpointError, match='load_from: no checkpoint in .* is whole'):
        find_start(str(folder), said.append)


def test_phase_that_was_not_trained_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'phase1_voc-512x512 does not exist.*\n.*config phase1_voc-512x512.py'):
        find_start(str(tmp_path / 'phase1_voc-512x512'), print)
    with pytest.raises(ConfigError, match='load_from: no checkpoint in .*\nTrain that run first'):
        find_start(str(tmp_path), print)
