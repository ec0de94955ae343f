"""What the doctor says to do, and how many findings it keeps."""
import shutil

from segkit.apis.doctor import examine
from segkit.apis.doctor_findings import KINDS, MOST_FILES, Findings
from segkit.apis.pack import pack_splits
from segkit.config import load_config
from segkit.datasets.packed_file import AGAIN as PACK_AGAIN


def test_what_to_do_fits_lists_folders_and_packs(tiny_config, tmp_path):
    def remedies(source):
        return {group['kind']: group['remedy'] for group in examine(str(source), workers=1).values['findings']}

    data = tiny_config.parent / 'data'
    pack_splits(load_config(str(tiny_config), say=print), str(tmp_path / 'packs'), processes=1)
    photo = data / 'JPEGImages/im00.jpg'
    content, pack = photo.read_bytes(), tmp_path / 'packs/train.lmdb'
    damaged = bytearray(pack.read_bytes())
    damaged[damaged.index(content[-60:]) + 30] ^= 255
    pack.write_bytes(damaged)
    packed = tmp_path / 'packed.py'
    packed.write_text(f"_base_ = ['{tiny_config.name}']\n" + ''.join(
        f"{split}_dataloader = dict(dataset=dict(_delete_=True, type='PackedDataset', data_root='{tmp_path}/packs', "
        f"ann_file='{split}.lmdb', pipeline=_base_.{split}_dataloader.dataset.pipeline))\n"
        for split in ('train', 'val')))
    assert remedies(packed) == {'damaged': PACK_AGAIN}
    photo.write_bytes(content[:-30])
    (data / 'SegmentationClass/im01.png').unlink()
    assert remedies(tiny_config) == {kind: KINDS[kind].remedy for kind in ('missing mask', 'cut short')}
    shutil.rmtree(data / 'ImageSets')
    found = remedies(data)
    assert 'or move them out of the folders' in found['cut short'] and 'list' not in found['missing mask']


def test_findings_are_counted_beyond_those_that_are_kept_by_name():
    found = Findings()
    for i in range(MOST_FILES + 5):
        found.tell('missing photo', str(i), str(i), 'train')
    group = found.of('missing photo')
    assert group.count == MOST_FILES + 5 and len(group.files) == MOST_FILES
    found.tell('odd name', 'x', 'x')
    assert [group.kind for group in found.groups()] == ['missing photo', 'odd name']
    assert all(kind.severity in ('error', 'warning', 'note') for kind in KINDS.values())
