"""Dataloaders from configs."""
import pytest
import torch

from segkit.config import load_config
from segkit.engine.data_loading import build_data_loader
from segkit.errors import ConfigError


@pytest.fixture
def loader(tiny_config):
    cfg = load_config(tiny_config, say=lambda line: None)

    def build(name='train', seed=0, **changes):
        return build_data_loader({**cfg[f'{name}_dataloader'], **changes}, seed, training=name == 'train')

    return build


def test_training_batch(loader):
    batch = next(iter(loader()))
    assert batch['inputs'].shape == (2, 3, 32, 32) and batch['inputs'].dtype == torch.uint8
    assert batch['labels'].shape == (2, 32, 32) and batch['labels'].dtype == torch.uint8


def test_evaluation_keeps_each_label_at_its_size(loader):
    for batch in loader('val', batch_size=2):
        assert 'labels' not in batch
        for sample in batch['data_samples']:
            assert sample.gt_sem_seg.data.shape[1:] == sample.ori_shape


@pytest.mark.parametrize('workers', [1, 3])
def test_workers_do_not_change_the_draws(loader, workers):
    alone, several = iter(loader(num_workers=0)), iter(loader(num_workers=workers))
    for _ in range(5):
        a, b = next(alone), next(several)
        assert torch.equal(a['inputs'], b['inputs']) and torch.equal(a['labels'], b['labels'])
        assert [s.img_path for s in a['data_samples']] == [s.img_path for s in b['data_samples']]


def test_seed_decides_the_draws(loader):
    a, b, c = (next(iter(loader(seed=seed)))['inputs'] for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_drawing_leaves_torch_s_own_numbers_alone(loader):
    batches = iter(loader())
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    next(batches)
    assert torch.rand(1) == expected


def test_what_torch_refuses_without_workers_is_left_out(loader):
    assert loader(num_workers=0, persistent_workers=True, prefetch_factor=4).persistent_workers is False
    assert loader(num_workers=1, persistent_workers=True).persistent_workers is True


def test_memory_is_pinned_only_for_cuda(loader):
    assert loader().pin_memory == torch.cuda.is_available()
    assert loader(pin_memory=False).pin_memory is False


def test_epochs_leave_out_an_incomplete_batch(loader):
    shuffled = dict(type='DefaultSampler', shuffle=True)
    assert len(list(loader(sampler=shuffled))) == 3  # of 7 images
    assert len(list(loader(sampler=shuffled, drop_last=False))) == 4
    assert len(list(loader('val', batch_size=2))) == 3  # of 5: an evaluation leaves out nothing


def test_batch_larger_than_an_epoch(loader):
    with pytest.raises(ConfigError, match='batch of 8 needs more than the 7 samples'):
        loader(sampler=dict(type='DefaultSampler', shuffle=True), batch_size=8)
    assert len(next(iter(loader(batch_size=8)))['inputs']) == 8  # the endless sampler has no such limit


def test_unknown_key(loader):
    with pytest.raises(ConfigError, match="takes no 'batchsize'"):
        loader(batchsize=3)


def test_no_sampler(loader):
    with pytest.raises(ConfigError, match='needs a sampler'):
        loader(sampler=None)


def test_unknown_collate(loader):
    with pytest.raises(ConfigError, match="'no_such_collate' is not registered"):
        loader(collate_fn=dict(type='no_such_collate'))


def test_own_collate_and_worker_init(loader, tmp_path):

    def write(worker_id, name):
        (tmp_path / f'{name}{worker_id}').touch()

    batch = next(iter(loader(collate_fn=dict(type='pseudo_collate'), num_workers=1,
                             worker_init_fn=dict(type=write, name='worker'))))
    assert isinstance(batch['inputs'], list)
    assert (tmp_path / 'worker0').exists()
