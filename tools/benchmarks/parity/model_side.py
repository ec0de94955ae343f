"""What a model computes: scores, predictions, losses and gradients, from equal weights and inputs."""
import importlib
import math
import os

import torch
from mmengine.structures import PixelData

from parity import inputs as given
from parity.digests import digest


def read(package, request):
    """What the files of a request say: for each the digest of its model, on segkit's side also that of its run."""
    found = []
    for file in request['files']:
        try:
            found.append(_read(package, file))
        except Exception as error:  # a file that is refused is a finding
            text = ' '.join(str(error).split())
            found.append(dict(error=f'{type(error).__name__}: {text[:300]}'))
    return found


def _read(package, file):
    cfg = config(package, file)
    told = dict(key=key_of(cfg.model.to_dict()), slide=cfg.model.test_cfg.mode == 'slide',
                align_corners=cfg.model.decode_head.align_corners, depth=cfg.model.backbone.get('depth', 0))
    if package == 'segkit':
        from parity import train_side
        told['run'] = train_side.run_key(file, cfg)
    return told


def model(package, request):
    """Build the model of a file and compute with it.

    Args:
        package: 'mmseg' writes its weights and outputs into files; 'segkit' reads both and compares.
        request: ``file``; ``weights`` and ``outputs``, files; ``views``, whether several views are fused too;
            ``double``, whether to compute in float64.

    Returns:
        For 'segkit' the differences, or how far it came and the error.
    """
    cfg = config(package, request['file']).model
    if package == 'mmseg':
        net = build(package, cfg)
        given.fill(net)
        torch.save(dict(meta={}, state_dict=net.state_dict()), request['weights'])
        torch.save(compute(package, net, **options(request)), request['outputs'])
        return {}
    from segkit.checkpoint import load_file, load_weights, state_dict_of
    stage = 'build'
    try:
        net = build(package, cfg)
        stage = 'weights'
        load_weights(net, state_dict_of(load_file(request['weights'])), source=request['file'])
        stage = 'outputs'
        found = compute(package, net, **options(request))
        return differences(torch.load(request['outputs'], weights_only=True, mmap=True), found)
    except Exception as error:  # how far it came is part of the finding
        return dict(stage=stage, error=f'{type(error).__name__}: {" ".join(str(error).split())[:300]}')
    finally:
        for name in ('weights', 'outputs'):
            os.unlink(request[name])


def options(request):
    """The keywords of :func:`compute` in a request."""
    return dict(views=request.get('views', False), double=request.get('double', False))


def slice(package, request):
    """A few numbers of a model of which the config is given, small enough to be kept in a file."""
    net = build(package, request['model'])
    given.fill(net)
    out = compute(package, net, views=request.get('views', False))
    return dict(tensors=len(net.state_dict()), whole=thinned(out['whole']),
                slide=thinned(out['slide']) if 'slide' in out else None,
                losses={name: float(f'{value:.7g}') for name, value in out['losses'].items()},
                gradient={name: float(f'{value.double().norm():.6g}')
                          for name, value in list(sorted(out['gradients'].items()))[::9]})


def thinned(logits):
    """Every so many of the values of a tensor, 24 in all."""
    flat = logits.flatten()
    return [float(f'{value:.7g}') for value in flat[::len(flat) // 24][:24].tolist()]


def config(package, file):
    """The config in a file."""
    if package == 'mmseg':
        from mmengine.config import Config
        return Config.fromfile(file)
    from segkit.config import load_config
    return load_config(file, say=lambda line: None)


def key_of(cfg):
    """The digest of what decides a model's outputs; not in it are first weights and the size of a training batch."""
    cfg = {name: dict(value) if isinstance(value, dict) else value for name, value in cfg.items()}
    cfg.pop('pretrained', None)
    cfg['backbone'].pop('init_cfg', None)
    cfg['data_preprocessor'].pop('size', None)
    return digest(cfg)


def build(package, cfg):
    """The model, for one process."""
    from mmengine.config import ConfigDict
    models = importlib.import_module(f'{package}.registry').MODELS
    layer = torch.nn.modules.conv._ConvNd
    draw, layer.reset_parameters = layer.reset_parameters, lambda self: None  # weights are filled in or loaded later
    try:
        net = models.build(ConfigDict(cfg))
    finally:
        layer.reset_parameters = draw
    if package == 'mmseg':
        from mmengine.model import revert_sync_batchnorm
        net = revert_sync_batchnorm(net)  # as its Runner does in one process
    for module in net.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.
    return net


def compute(package, net, views=False, double=False):
    """Everything that is compared, as a dict of tensors and numbers."""
    sample_class = importlib.import_module(f'{package}.structures').SegDataSample
    dtype = torch.float64 if double else torch.float32
    net.to(dtype)
    net.data_preprocessor.float()  # so that both sides normalise bytes in the same precision
    net.data_preprocessor.register_forward_hook(lambda part, given, made: {**made, 'inputs': made['inputs'].to(dtype)})
    if package == 'segkit':
        net.test_cfg['keep_logits'] = True
    out = {}
    mode = net.test_cfg['mode']
    with torch.no_grad():
        net.eval()
        if mode == 'slide':
            out['slide'], out['slide_classes'] = predict(net, sample_class, windows=True)
        out['whole'], out['classes'] = predict(net, sample_class, windows=False)
        if views:
            out['views_classes'] = fuse(package, net, sample_class)
    net.train()
    height, width = given.TRAIN_SIZE
    samples = []
    for i in range(given.TRAIN_BATCH):
        sample = sample_class(metainfo=dict(img_shape=(height, width), ori_shape=(height, width)))
        sample.gt_sem_seg = PixelData(data=given.labels(20 + i, height, width, net.decode_head.num_classes))
        samples.append(sample)
    batch = net.data_preprocessor(dict(inputs=[given.image(10 + i, height, width) for i in range(given.TRAIN_BATCH)],
                                       data_samples=samples), False)
    losses = net(batch['inputs'], samples, mode='loss')
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    out['losses'] = {name: value.double().mean().item() for name, value in losses.items()}
    out['gradients'] = {name: value.grad for name, value in net.named_parameters() if value.grad is not None}
    return out


def predict(net, sample_class, windows):
    """Scores (N, K, H, W) and classes (N, H, W) at the photos' original size."""
    if windows:
        crop, stride = net.test_cfg['crop_size'], net.test_cfg['stride']
        net.test_cfg['stride'] = tuple(max(1, round(s * given.SLIDE_CROP / max(crop))) for s in stride)
        net.test_cfg['crop_size'] = tuple(round(c * given.SLIDE_CROP / max(crop)) for c in crop)
    net.test_cfg['mode'] = 'slide' if windows else 'whole'
    samples = [sample_class(metainfo=dict(img_shape=given.EVAL_SIZE, ori_shape=given.EVAL_ORIGINAL)) for _ in range(2)]
    batch = net.data_preprocessor(dict(inputs=[given.image(i, *given.EVAL_SIZE) for i in range(2)],
                                       data_samples=samples), False)
    done = net(batch['inputs'], samples, mode='predict')
    return (torch.stack([sample.seg_logits.data for sample in done]),
            torch.cat([sample.pred_sem_seg.data for sample in done]).long())


def fuse(package, net, sample_class):
    """Classes (N, H, W) of one photo from several scales, each flipped too, by SegTTAModel."""
    models = importlib.import_module(f'{package}.registry').MODELS
    fused = models.build(dict(type='SegTTAModel', module=net))
    images, samples = [], []
    for i, (scale, flip) in enumerate(given.VIEWS):
        height, width = (math.ceil(side * scale) for side in given.EVAL_SIZE)
        view = given.image(40 + i, height, width)
        images.append([view.flip(-1) if flip else view])
        samples.append([sample_class(metainfo=dict(
            img_path='photo.jpg', img_shape=(height, width), ori_shape=given.EVAL_ORIGINAL, flip=flip,
            flip_direction='horizontal' if flip else None))])
    done = fused.test_step(dict(inputs=images, data_samples=samples))
    return torch.cat([sample.pred_sem_seg.data.reshape(1, *given.EVAL_ORIGINAL) for sample in done]).long()


def differences(wanted, found):
    """How far the outputs of one side are from those of the other.

    Returns:
        For scores the largest absolute difference and the largest value; for classes the number of pixels that differ;
        for losses and logged accuracies each value of both sides; for gradients the largest difference in a tensor over
        the tensor's largest value, of which there is at least a ten thousandth of the model's largest one.
    """
    out = {}
    for name in ('whole', 'slide'):
        if name in wanted:
            gap = (wanted[name] - found[name]).abs().max().item()
            out[name] = dict(gap=gap, largest=wanted[name].abs().max().item())
    for name in ('classes', 'slide_classes', 'views_classes'):
        if name in wanted:
            out[name] = int((wanted[name] != found[name]).sum())
    out['losses'] = {name: [wanted['losses'].get(name), found['losses'].get(name)]
                     for name in sorted({*wanted['losses'], *found['losses']})}
    ours, theirs = found['gradients'], wanted['gradients']
    if set(ours) != set(theirs):
        raise ValueError(f'gradients of other parameters: {sorted(set(ours) ^ set(theirs))[:4]}')
    floor = 1e-4 * max(value.abs().max().item() for value in theirs.values())
    gaps = {name: (theirs[name] - ours[name]).abs().max().item() / max(theirs[name].abs().max().item(), floor)
            for name in theirs}
    worst = max(gaps, key=gaps.get)
    out['gradients'] = dict(gap=gaps[worst], where=worst, tensors=len(gaps))
    return out
