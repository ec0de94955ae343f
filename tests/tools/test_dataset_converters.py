"""The files in tools/dataset_converters/ that prepare downloaded data sets: what can be typed, and what it reaches."""
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools/dataset_converters'
# What can be typed in MMSegmentation's tool of the same name (1.2.2), and what the converter gets of it.
MMSEGMENTATION = dict(
    voc_aug=('devkit aug -o masks --nproc 3', ('devkit', 'aug', 'masks', False, False, None, 3)),
    cityscapes=('city --gt-dir gtCoarse --out-dir lists --nproc 3', ('city', 'gtCoarse', 'lists', False, 3)),
    coco_stuff10k=('coco -o out --nproc 3', ('coco', 'out', False, False, None, 3)),
    coco_stuff164k=('coco --out_dir out --nproc 3', ('coco', 'out', False, False, None, 3)),
    pascal_context=('devkit x.json --out_dir masks', ('devkit', 'x.json', 'masks', False, False, None, None)))
OURS = dict(
    ade20k=('ade --download --download-dir d', ('ade', False, True, 'd', None)),
    camvid=('a b --form original --photos png --full-size --partial --nproc 2',
            ('a', 'b', 'original', 'png', True, True, False, None, 2)),
    voc_aug=('a b --partial --download', ('a', 'b', None, True, True, None, None)))


@pytest.mark.parametrize('tool, typed, given', [(tool, *case) for some in (MMSEGMENTATION, OURS)
                                                for tool, case in some.items()])
def test_what_is_typed_reaches_the_converter(tool, typed, given, monkeypatch, capsys):
    got = []
    monkeypatch.setattr(f'segkit.apis.converters.{tool}.convert', lambda *args: got.append(args))
    runpy.run_path(str(FOLDER / f'{tool}.py'))['main'](typed.split())
    assert got == [given]
    named = capsys.readouterr().out.split('configs/')[1].split()[0]  # the config that reads what was made
    assert (FOLDER.parents[1] / 'configs' / named).is_file()


@pytest.mark.parametrize('tool', ['dataset_converters/pack', 'dataset_converters/coco_to_voc',
                                  'dataset_converters/ade20k', 'analysis/crf'])
def test_the_number_of_processes_has_one_name(tool, capsys):
    parse = runpy.run_path(str(FOLDER.parent / f'{tool}.py'))['parse_args']
    places = ['a', 'b', 'c'][:dict(ade20k=1, crf=3).get(tool.split('/')[1], 2)]
    assert parse(places).nproc is None
    for name in ('--nproc', '--processes', '--workers'):  # the last two are older
        assert parse([*places, name, '3']).nproc == 3
        for wrong in ('0', '-1', 'x'):
            with pytest.raises(SystemExit) as left:
                parse([*places, name, wrong])
            said = capsys.readouterr().err
            assert left.value.code == 2 and said.startswith(f'error: argument {name}: expected a')
    with pytest.raises(SystemExit):
        parse(['--help'])
    said = capsys.readouterr().out
    assert '--nproc N' in said and '--processes' not in said and '--workers' not in said


@pytest.mark.parametrize('tool', sorted({*MMSEGMENTATION, *OURS}))
def test_help_says_how_and_what_is_fetched(tool, capsys):
    main = runpy.run_path(str(FOLDER / f'{tool}.py'))['main']
    with pytest.raises(SystemExit) as left:
        main(['--help'])
    said = ' '.join(capsys.readouterr().out.split())
    assert left.value.code == 0 and f'example: python tools/dataset_converters/{tool}.py ' in said
    if tool == 'cityscapes':
        assert 'There is no --download: www.cityscapes-dataset.com gives the archives to registered users' in said
    else:
        assert '--download fetch what is not there first: ' in said
    with pytest.raises(SystemExit) as left:
        main(['--no-such-option'])
    assert left.value.code == 2 and capsys.readouterr().err.startswith('error: ')
