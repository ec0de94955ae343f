"""Every name that MMSegmentation registers is here, or is refused with the reason."""
import json
import re
from pathlib import Path

import pytest

from segkit import registry
from segkit.left_out import REASONS, why_left_out
from segkit.registry import UnknownNameError

# All names behind ``register_module`` in the source of mmsegmentation 1.2.2, by registry.
PEER = json.loads((Path(__file__).parent / 'data/mmseg_registered.json').read_text())
NAMES = {name for names in PEER.values() for name in names}
# Of onedl-mmsegmentation 1.4.2, which registers these besides.
NEWER = {'HSIDrive20Dataset', 'LoadImageFromNpyFile'}


@pytest.fixture(scope='module')
def here() -> set[str]:
    return {name for kind in registry.ALL for name in kind.names()}


def test_every_name_is_here_or_left_out_with_a_reason(here):
    assert len(NAMES) > 150
    assert NAMES - here - set(REASONS) == set()


def test_nothing_left_out_is_here_or_unknown_to_mmsegmentation(here):
    assert set(REASONS) & here == set()
    assert set(REASONS) - NAMES == NEWER


@pytest.mark.parametrize('kind, name, reason', [
    ('DATASETS', 'LEVIRCDDataset', 'change detection'), ('DATASETS', 'NYUDataset', 'depth'),
    ('DATASETS', 'DecathlonDataset', 'volumes'), ('DECODE_HEADS', 'UPerHead', 'decode heads of the DeepLab family'),
    ('BACKBONES', 'HRNet', 'backbones of the DeepLab family'), ('MODELS', 'DepthEstimator', 'depth'),
    ('TRANSFORMS', 'Albu', 'albumentations'), ('METRICS', 'CityscapesMetric', 'IoUMetric'),
    ('LOSSES', 'BoundaryLoss', 'left out')])
def test_the_message_names_the_reason(kind, name, reason):
    for spelling in (name, f'mmseg.{name}'):
        with pytest.raises(UnknownNameError) as error:
            getattr(registry, kind).get(spelling)
        lines = str(error.value).splitlines()
        assert lines[0].endswith(f'is not a registered {getattr(registry, kind).name}.') and len(lines) <= 4
        assert 'left out here' in lines[1] and reason in str(error.value)


def test_every_reason_is_a_sentence_of_two_lines_at_most():
    for name, reason in REASONS.items():
        assert reason.endswith('.') and len(reason.splitlines()) <= 2, name
        assert max(map(len, reason.splitlines())) <= 110, name
    assert why_left_out('ASPPHead') is None


def test_a_class_of_ones_own_may_have_such_a_name():
    class HRNet:
        pass

    registry.BACKBONES.register_module(module=HRNet)
    try:
        assert registry.BACKBONES.get('HRNet') is HRNet
    finally:
        del registry.BACKBONES._module_dict['HRNet']


def test_the_page_lists_every_name_with_its_reason():
    page = (Path(__file__).parents[1] / 'docs' / 'migrate.md').read_text()
    rows = dict(re.findall(r'^\| (`.*`) \| (.*) \|$', page, re.M))
    listed = {name: reason for names, reason in rows.items() for name in re.findall('`(.*?)`', names)}
    wanted = {name: ' '.join(reason.split()) for name, reason in REASONS.items()}
    assert {name: listed.get(name) for name in wanted} == wanted
