import pytest
import torch

from segkit.errors import ConfigError
from segkit.registry import MODELS


@pytest.fixture
def model(model_cfg, draw):
    model_cfg['test_cfg'] = dict(mode='whole', keep_logits=True)
    return draw.weights(MODELS.build(model_cfg)).eval()


def views(draw, **meta):
    """A photo, another scale of another photo, and the first one's mirror image."""
    images = [draw.image(20, 60, 83), draw.image(21, 45, 62), draw.image(20, 60, 83).flip(2)]
    flips = [{}, {}, dict(flip=True, flip_direction='horizontal')]
    return dict(inputs=[image[None] for image in images],
                data_samples=[[draw.sample(*image.shape[1:], ori_shape=(50, 70), img_path='a.jpg', **flip, **meta)]
                              for image, flip in zip(images, flips)])


@torch.no_grad()
def test_probabilities_are_averaged_as_in_mmsegmentation(model, draw, mmseg_numbers):
    sample, = MODELS.build(dict(type='SegTTAModel', module=model)).test_step(views(draw))
    assert sample.pred_sem_seg.data.shape == (1, 50, 70) and sample.img_path == 'a.jpg'
    assert torch.bincount(sample.pred_sem_seg.data.flatten(), minlength=5).tolist() == mmseg_numbers['tta']


@torch.no_grad()
@pytest.mark.parametrize('fusion', ['prob', 'logit', 'exp'])
def test_fusion_by_its_definition(model, draw, fusion):
    data = views(draw)
    logits = [model.predict_logits(**{k: v for k, v in model.data_preprocessor(dict(inputs=a, data_samples=b)).items()
                                      if k != 'labels'})[0]
              for a, b in zip(data['inputs'], data['data_samples'])]
    term = {'prob': lambda x: x.softmax(0), 'logit': lambda x: x, 'exp': torch.exp}[fusion]
    wanted = torch.stack([term(x) for x in logits]).mean(0)
    sample, = MODELS.build(dict(type='SegTTAModel', module=model, fusion=fusion)).test_step(views(draw))
    torch.testing.assert_close(sample.seg_logits.data, wanted)
    assert torch.equal(sample.pred_sem_seg.data[0], sample.seg_logits.data.argmax(0).byte())


@torch.no_grad()
@pytest.mark.parametrize('fusion', ['prob', 'logit', 'exp'])
def test_one_view_is_the_model_itself(model, draw, fusion):
    wanted, = model.test_step(dict(inputs=[draw.image(1, 40, 50)]))
    one = dict(inputs=[draw.image(1, 40, 50)[None]], data_samples=[[draw.sample(40, 50)]])
    sample, = MODELS.build(dict(type='SegTTAModel', module=model, fusion=fusion)).test_step(one)
    assert torch.equal(sample.pred_sem_seg.data, wanted.pred_sem_seg.data)


@torch.no_grad()
@pytest.mark.parametrize('fusion', ['prob', 'logit', 'exp'])
def test_binary_head_uses_its_threshold(model_cfg, draw, fusion):
    for head in ('decode_head', 'auxiliary_head'):
        model_cfg[head].update(num_classes=2, out_channels=1, threshold=0.4,
                               loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    model = draw.weights(MODELS.build(model_cfg)).eval()
    tta = MODELS.build(dict(type='SegTTAModel', module=model, fusion=fusion))
    wanted, = model.test_step(dict(inputs=[draw.image(1, 40, 50)]))
    sample, = tta.test_step(dict(inputs=[draw.image(1, 40, 50)[None]], data_samples=[[draw.sample(40, 50)]]))
    assert 0 < wanted.pred_sem_seg.data.float().mean() < 1
    assert torch.equal(sample.pred_sem_seg.data, wanted.pred_sem_seg.data)


def test_module_from_its_config_and_the_first_views_labels(model_cfg, draw):
    preprocessor = model_cfg.pop('data_preprocessor')
    tta = MODELS.build(dict(type='SegTTAModel', module=model_cfg, data_preprocessor=preprocessor)).eval()
    assert tta.module.data_preprocessor.normalize
    data = views(draw)
    data['data_samples'][0][0].gt_sem_seg = draw.sample(50, 70, torch.ones(1, 50, 70)).gt_sem_seg
    with torch.no_grad():
        sample, = tta.test_step(data)
    assert sample.gt_sem_seg.data.shape == (1, 50, 70)
    assert not hasattr(sample, 'seg_logits')


def test_unknown_fusion(model):
    with pytest.raises(ConfigError, match="'mean'"):
        MODELS.build(dict(type='SegTTAModel', module=model, fusion='mean'))


def test_a_segmentor_without_a_crf():
    """One that is no EncoderDecoder: what it writes is the largest mean."""
    class Bare(torch.nn.Module):
        def test_step(self, data):
            raise NotImplementedError

        def write_prediction(self, sample, mean, classes):
            sample['classes'] = classes

    sample = {}
    MODELS.build(dict(type='SegTTAModel', module=Bare())).write_mean(sample, torch.eye(3).view(3, 1, 3))
    assert sample['classes'].tolist() == [[0, 1, 2]]
