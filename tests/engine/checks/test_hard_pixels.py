"""Losses and samplers of hard pixels that would keep all of a batch are told of when a training starts."""
from pathlib import Path

import pytest

from segkit.config import load_config
from segkit.engine.checks import cross_checks
from segkit.engine.checks.config_parts import heads_of
from segkit.engine.checks.hard_pixels import all_kept

OHEM, PLAIN = dict(type='OhemCrossEntropy', min_kept=200000), dict(type='CrossEntropyLoss')
CONFIGS = Path(__file__).parents[3] / 'configs'


def lines(decode_head: dict, auxiliary_head=None, batch_size=2, crops=(97, ), behind=()) -> list[str]:
    steps = [[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), *([dict(type='RandomCrop', crop_size=(
        crop, crop))] if crop else []), dict(type='RandomFlip'), *behind, dict(type='PackSegInputs')] for crop in crops]
    datasets = [dict(type='BaseSegDataset', pipeline=pipeline) for pipeline in steps]
    one = datasets[0] if len(datasets) == 1 else dict(type='ConcatDataset', datasets=datasets)
    auxiliary = [dict(type='FCNHead', **head) for head in auxiliary_head] if isinstance(auxiliary_head, list) else None
    model = dict(decode_head=dict(type='FCNHead', **decode_head), auxiliary_head=auxiliary)
    return all_kept(dict(train_dataloader=dict(batch_size=batch_size, dataset=one)), heads_of(model))


def test_the_line_counts_the_pixels_of_a_batch():
    assert lines(dict(loss_decode=OHEM)) == [
        'model.decode_head.loss_decode.min_kept=200,000 is not below the 18,818 pixels of a batch (2 x 97x97): every '
        'pixel is kept and thres does nothing; lower min_kept']


@pytest.mark.parametrize('kept, batch_size, said', [(18817, 2, 0), (18818, 2, 1), (18818, 3, 0), (28227, 3, 1)])
def test_below_means_less_than_the_pixels(kept, batch_size, said):
    assert len(lines(dict(loss_decode=dict(OHEM, min_kept=kept)), batch_size=batch_size)) == said


def test_lists_of_losses_and_auxiliary_heads_are_named():
    found = lines(dict(loss_decode=[PLAIN, OHEM]),
                  [dict(loss_decode=PLAIN), dict(loss_decode=dict(type='OhemCrossEntropy'))])
    assert [line.split(' is ')[0] for line in found] == [
        'model.decode_head.loss_decode.1.min_kept=200,000',
        'model.auxiliary_head.1.loss_decode.min_kept=100,000']  # the default


@pytest.mark.parametrize('kept, said', [(9408, 0), (9409, 1)])
def test_a_sampler_counts_for_each_image(kept, said):
    sampler = dict(type='OHEMPixelSampler', thresh=0.7, min_kept=kept)
    found = lines(dict(loss_decode=PLAIN, sampler=sampler), batch_size=8)
    assert found == ['model.decode_head.sampler.min_kept=9,409 is not below the 9,409 pixels of an image (97x97): '
                     'every pixel is kept and thresh does nothing; lower min_kept'][:said]
    found = lines(dict(sampler=dict(sampler, thresh=None)))
    assert ['no pixel is left out' in line for line in found] == [True] * said


def test_nothing_is_said_where_the_crop_or_the_batch_is_not_known():
    for unknown in (dict(crops=(None, )), dict(crops=(97, None)), dict(behind=[dict(type='Resize', scale=(9, 9))]),
                    dict(batch_size=None)):
        assert lines(dict(loss_decode=OHEM), **unknown) == []
    assert '20,000 pixels of a batch (2 x 100x100)' in lines(dict(loss_decode=OHEM), crops=(97, 100))[0]
    heads = heads_of(dict(decode_head=dict(type='FCNHead', loss_decode=OHEM)))
    assert all_kept({}, heads) == [] and all_kept(dict(train_dataloader=dict(batch_size=2)), heads) == []


@pytest.mark.parametrize('options, said', [([], 0), (['crop_size=(97, 97)'], 1)])
def test_a_run_is_told(options, said):
    config = next(CONFIGS.joinpath('pspnet_toolbox').glob('*ohem*.py'))
    cfg = load_config(str(config), options, say=lambda line: None)
    notices = cross_checks.check(dict(cfg))
    assert sum('min_kept=200,000 is not below the 18,818 pixels' in line for line in notices) == said
