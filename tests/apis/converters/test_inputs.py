"""Counts, folders, files and lists that are not as they should be."""
from pathlib import Path

import pytest

from segkit.apis.converters import inputs
from segkit.apis.converters.steps import write_list
from segkit.errors import ConfigError, DataError


def test_counts_that_are_not_official(capsys):
    official = dict(train=3, val=2)
    inputs.require_counts(dict(train=3, val=2, more=5), official, False, 'x')
    with pytest.raises(DataError, match='x: train has 4 instead of 3, val has 0 instead of 2.\n.*--partial'):
        inputs.require_counts(dict(train=4), official, False, 'x')
    with pytest.raises(DataError, match='x: val has 1,000 instead of 2.\n.*--partial'):
        inputs.require_counts(dict(train=3, val=1000), official, False, 'x')
    assert capsys.readouterr().out == ''
    inputs.require_counts(dict(train=3, val=1000), official, True, 'x')
    assert 'val has 1,000 instead of 2; taken as it is' in capsys.readouterr().out


def test_the_folder_of_a_year_of_voc(tmp_path):
    devkit = tmp_path / 'VOCdevkit'
    for given in (devkit, devkit / 'VOC2012'):  # before anything is there
        assert inputs.voc_folder(str(given), 'VOC2012') == str(devkit / 'VOC2012')
    (devkit / 'VOC2012/JPEGImages').mkdir(parents=True)
    for given in (devkit, devkit / 'VOC2012', devkit / 'VOC2012/'):
        assert Path(inputs.voc_folder(str(given), 'VOC2012')) == devkit / 'VOC2012'
    (devkit / 'VOC2012').rename(tmp_path / 'other')
    assert inputs.voc_folder(str(tmp_path / 'other'), 'VOC2012') == str(tmp_path / 'other')


def test_folders_files_and_lists_that_are_missing(tmp_path, photo):
    photo(tmp_path / 'a/x.jpg')
    with pytest.raises(DataError, match='There is no folder .*/b.\n.* holds: a.\nUnpack it.'):
        inputs.require_folders(str(tmp_path), ['a', 'b'], 'Unpack it.')
    with pytest.raises(DataError, match='/none is no folder'):
        inputs.require_folders(str(tmp_path / 'none'), ['a'], 'Unpack it.')
    with pytest.raises(DataError, match='a/y.jpg is missing.\n2 of 3 photos'):
        inputs.require_files(str(tmp_path / 'a'), ['x', 'y', 'z'], '.jpg', 'photos')
    with pytest.raises(DataError, match='The list .*l.txt is missing.\nThe archive has it.'):
        inputs.read_names(str(tmp_path / 'l.txt'), 'The archive has it.')
    write_list(str(tmp_path / 'new/l.txt'), ['x', 'y', 'x'])
    assert (tmp_path / 'new/l.txt').read_text() == 'x\ny\nx\n'
    with pytest.raises(DataError, match='l.txt names x twice'):
        inputs.read_names(str(tmp_path / 'new/l.txt'), 'The archive has it.')
    for inside in ('a', 'a/b', '../' + tmp_path.name):
        with pytest.raises(ConfigError, match='is read from'):
            inputs.refuse_inside(str(tmp_path), str(tmp_path / inside))
