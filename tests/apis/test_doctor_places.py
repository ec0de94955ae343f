"""Where the doctor's JSON file goes, and files whose names are not UTF-8."""
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from segkit.apis.cli import run
from segkit.apis.doctor import main


@pytest.mark.parametrize('place', ['', 'tiny.py/found.json', 'sub/../tiny.py/a/b.json'])
def test_a_place_for_the_json_that_cannot_be_written_is_seen_before_the_pass(tiny_config, capsys, place):
    folder = Path(tiny_config).parent
    before = sorted(folder.rglob('*'))
    with pytest.raises(SystemExit) as left:
        run(main, [str(tiny_config), '--json', str(folder / place), '--workers', '1'])
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert 'pairs' not in out and '--json' in err and 'Name a file in ' in err and '.part' not in err
    assert sorted(folder.rglob('*')) == before


def test_a_name_that_is_not_utf_8(tmp_path, capsys):
    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    for i in range(4):
        Image.new('RGB', (40, 40), (5 * i,) * 3).save(tmp_path / f'images/{i}.jpg')
        Image.new('L', (40, 40), i % 2).save(tmp_path / f'masks/{i}.png')
    odd = os.fsdecode(b'caf\xe9')
    try:
        (tmp_path / 'images/3.jpg').rename(tmp_path / f'images/{odd}.jpg')
    except OSError:
        pytest.skip('the disk takes no such name')
    (tmp_path / 'masks/3.png').rename(tmp_path / f'masks/{odd}.png')
    (tmp_path / 'images/2.jpg').write_bytes(b'')
    (tmp_path / 'masks/2.png').rename(tmp_path / f'masks/{odd}_2.png')
    path = tmp_path / 'found.json'
    with pytest.raises(SystemExit):
        main([str(tmp_path), '--json', str(path), '--workers', '1'])
    assert r'caf\udce9.jpg' in capsys.readouterr().out.encode().decode()
    values = json.loads(path.read_text())
    names = {group['kind']: [one['file'] for one in group['files']] for group in values['findings']}
    assert names['odd name'] == [str(tmp_path / f'images/{odd}.jpg')]
    assert names['mask without photo'] == [str(tmp_path / f'masks/{odd}_2.png')]
    assert values['splits'][0]['usable'] == 3  # 2.jpg has lost both
