"""Another project's weights as a checkpoint of segkit's; the body of tools/model_converters/import_weights.py."""
import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional

from segkit.apis.arguments import Parser, add_unsafe_load, say
from segkit.apis.own_config import WRITTEN
from segkit.errors import CheckpointError, ConfigError, SegkitError

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor, nn

    from segkit.apis.importers.plan import Plan

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
EXAMPLE = """sources:
  torchvision             deeplabv3_resnet50, _resnet101, _mobilenet_v3_large; resnet*, mobilenet_v2, mobilenet_v3_* as
                          backbones
  smp                     segmentation_models_pytorch: DeepLabV3 with resnet18 to resnet152
  gluoncv                 deeplab_resnet50_*, _resnet101_*, _resnet152_* and resnet*_v1s: .params files of MXNet, or the
                          same names in a file of torch.save
  deeplab-resnet-pytorch  DeepLabV2 with layer5.conv2d_list, also with Scale. ahead of the keys
  segmentation-toolbox    DeepLabV3 and PSPNet of pytorch-segmentation-toolbox, with InPlaceABN or without
  mmsegmentation          segmentors of MMSegmentation (they are read without this too); needs --config
  mobilenet-v2-pool       Google's DeepLabV3 on MobileNetV2 with the image pool alone

example:
  python tools/model_converters/import_weights.py torchvision deeplabv3_resnet50_coco-cd0a2569.pth work_dirs/tv.pth
  python tools/predict.py photo.jpg work_dirs/tv.pth --out-dir predictions
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from segkit.apis.importers import SOURCES
    p = Parser('import_weights.py', description="Write another project's weights as a checkpoint that holds classes, "
               'palette and config, and compare its network with the source\'s own on a fixed image.',
               epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('source', choices=list(SOURCES), metavar='SOURCE', help='whose file it is, see below')
    p.add_argument('file', metavar='FILE', help='the file of weights')
    p.add_argument('out', metavar='OUT', help='the checkpoint to write, .pth or .safetensors')
    p.add_argument('--config', help='config whose network it is, stored in the checkpoint (default: the one of the '
                   'source\'s network in configs/)')
    p.add_argument('--classes', nargs='+', metavar='NAME', help='names of the classes (default: those in the file, '
                   'else those of the config\'s data set)')
    p.add_argument('--map', action='store_true', help='print each key, its name here and its shape')
    p.add_argument('--no-proof', action='store_true', help='do not run the source\'s own network')
    add_unsafe_load(p)
    p.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return p


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Read, rename, compare, write.

    Raises:
        CheckpointError: If the file cannot be read, is of another network, or computes something else in ours.
        ConfigError: If the config or the name of the new file cannot be used.
    """
    from segkit.checkpoint import trusting
    args = parser().parse_args(argv)
    with trusting(args.unsafe_load):
        import_weights(args.source, args.file, args.out, args.config, args.classes, args.map, not args.no_proof)


def import_weights(source: str, file: str, out: str, config: Optional[str] = None,
                   classes: Optional[Sequence[str]] = None, whole_map: bool = False, proof: bool = True) -> None:
    """Write a file of another project's as a checkpoint.

    Args:
        source: A key of ``SOURCES``.
        file: The file of weights, or an address.
        out: The checkpoint to write.
        config: Config file of the network, in the place of the source's own.
        classes: Names of the classes.
        whole_map: Whether every key is printed.
        proof: Whether the source's own network is run, where it can be built.
    """
    from segkit.apis.importers import SOURCES
    from segkit.apis.importers.fit import refuse_other_function, refuse_other_stride_place, renamed
    from segkit.apis.importers.key_map import backbone_line, lines_of
    from segkit.checkpoint import load_file, load_weights, state_dict_of, weights_equal, write_atomic
    from segkit.config import load_config

    if Path(out).is_dir() or Path(out).suffix not in WRITTEN:
        raise ConfigError(f'{out}: expected the name of a new checkpoint, such as '
                          f'{Path(file).name.split(".")[0]}.pth (or .safetensors).')
    if Path(out).exists() and Path(file).exists() and Path(out).samefile(file):
        raise ConfigError(f'{out} is the file that is read, which would be lost.\nName another one for the checkpoint.')
    content = read(file)
    refuse_own(content, file)
    weights = state_dict_of(content, file)
    try:
        plan = SOURCES[source].plan(weights)
    except CheckpointError as error:
        raise CheckpointError(with_takers(f'{file}: {error}', source, weights)) from None
    for option, value in (('--config', config), ('--classes', classes)):
        if plan.backbone and value:
            raise ConfigError(f'{option}: {file} is {plan.what}, a backbone alone; leave {option} out.')
    cfg, meta = (None, {}) if plan.backbone else config_of(plan, source, config, weights, content, classes, file)
    model = build(plan, cfg)
    backbone = getattr(model, 'backbone', model)
    where = config or plan.config or 'its own config'
    refuse_other_stride_place(plan, backbone, weights, file, where)
    if config and plan.config:
        refuse_other_function(plan, cfg, load_config(str(CONFIGS / plan.config), dict(plan.changes), say=quiet), file,
                              config)
    try:
        names = renamed(plan, weights, model, file)
    except CheckpointError as error:
        raise CheckpointError(with_takers(str(error), source, weights)) from None
    state = {ours: plan.value(theirs, weights[theirs]) for theirs, ours in names.items()}
    load_weights(model, state, source=file)
    model.eval()
    say(f'{file}: {plan.what}, {len(weights)} tensors')
    for line in lines_of(plan, weights, names, whole_map):
        say(line)
    prove(plan, weights, model, proof, file, where)
    result = dict(meta=meta_of(plan, source, cfg, meta), state_dict={key: value.clone()
                                                                     for key, value in model.state_dict().items()})
    if cfg is not None:
        refuse_useless(result, out, where)
    if Path(out).exists():
        say(f'replaces the {out} that was there')
    write_atomic(result, out)
    again = load_file(out)['state_dict']
    if not weights_equal(again, result['state_dict']):
        raise ConfigError(f'{out} does not hold what was written; is that disk in order?')
    say(f'{out}: {len(again)} tensors, each key of {file} used once'
        + (f' but for the {len(weights) - len(names)} left out' if len(weights) > len(names) else '')
        + ('; every batch norm has mean 0 and variance 1: keep them frozen if they were '
           'folded' if folded(state) else ''))
    if plan.backbone:
        say(backbone_line(plan, out))


def refuse_own(content: Mapping, file: str) -> None:
    """Refuse a checkpoint of segkit's, which has its config or, of a backbone alone, what builds it.

    Raises:
        CheckpointError: Saying how it is used.
    """
    meta = content.get('meta')
    if not isinstance(meta, Mapping) or 'segkit_version' not in meta or not {'config_json', 'backbone'} & set(meta):
        return
    use = (f'python tools/predict.py photo.jpg {file}' if 'config_json' in meta else
           f"init_cfg=dict(type='Pretrained', checkpoint='{file}') of a backbone")
    origin = f' (imported from {meta["imported_from"]})' if meta.get('imported_from') else ''
    raise CheckpointError(f"{file} is a checkpoint of segkit's already{origin}.\nUse it as it is: {use}")


def with_takers(message: str, source: str, weights: Mapping[str, 'Tensor']) -> str:
    """A message about a file that is not the source's, with the sources that would take it, if there are some."""
    from segkit.apis.importers import takers
    others = [other for other in takers(weights) if other != source]
    if not others:
        return message
    lines = [line for line in message.splitlines() if not line.startswith('It is ')]
    return '\n'.join([*lines[:3], f'Its keys are those of SOURCE {" or ".join(others)}: name that one.'])


def read(file: str) -> dict:
    """What a file holds; one of MXNet's too."""
    from segkit.apis.importers import mxnet_file
    from segkit.checkpoint import fetch, load_file
    path = fetch(file)
    return mxnet_file.load(path) if mxnet_file.recognised(path) else load_file(path)


def config_of(plan: 'Plan', source: str, config: Optional[str], weights: Mapping[str, 'Tensor'], content: Mapping,
              classes: Optional[Sequence[str]], file: str) -> tuple['Config', dict[str, Any]]:
    """The network's config with the file's number of classes, and names and colours of these, its data sets' too."""
    from segkit.apis.importers.plan import CLASSIFIER
    from segkit.apis.inference import dataset_meta_of_config
    from segkit.config import load_config
    from segkit.engine.checks.config_parts import datasets_of
    from segkit.engine.run_state import dataset_meta_of
    from segkit.palette import bright_palette

    if config is None and plan.config is None:
        raise ConfigError(f'{file}: a file of {source} does not tell its network.\nGive the config that it was '
                          'trained with: --config CONFIG')
    path = config or str(CONFIGS / plan.config)
    changes = {} if config else dict(plan.changes)
    logits = next((weights[key] for key in weights if re.sub(r'conv_seg\.\d+\.', 'conv_seg.', str(plan.name_of(key)))
                   == CLASSIFIER), None)
    if logits is not None and not config and len(logits) > 1:
        changes['model.num_classes'] = len(logits)
    cfg = load_config(path, changes, say=say if config else quiet)
    meta = dict(dataset_meta_of(content) or dataset_meta_of_config(cfg))
    if classes:
        meta = dict(classes=tuple(classes), palette=bright_palette(classes))
    count = cfg.model.get('num_classes') or cfg.model.decode_head.get('num_classes')
    if len(meta.get('classes') or ()) != count:
        named = len(meta.get('classes') or ())
        raise ConfigError(f'{file} has {count} classes, {"--classes" if classes else Path(path).name} names {named}.\n'
                          f'Name the {count} in their order, the background first if there is one: --classes NAME ...')
    if meta.get('palette') is None:
        meta['palette'] = bright_palette(meta['classes'])
    if meta != dataset_meta_of_config(cfg):
        for split in ('train', 'val', 'test'):
            for dataset in datasets_of(cfg, split):  # not the wrappers, which take no metainfo
                dataset.cfg['metainfo'] = dict(classes=list(meta['classes']), palette=meta['palette'])
    return cfg, meta


def refuse_useless(content: dict[str, Any], out: str, config: str) -> None:
    """Refuse a checkpoint that no tool could use, as a config can be made that no longer builds what it describes.

    Raises:
        CheckpointError: With what a tool would say.
    """
    from segkit.apis.inference import init_model
    from segkit.checkpoint import write_atomic

    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=Path(out).parent, prefix='.import-') as folder:
        draft = str(Path(folder, Path(out).name))
        write_atomic(content, draft)
        try:
            init_model(None, draft, 'cpu')
        except SegkitError as error:
            said = str(error).replace(draft, out).splitlines()
            raise CheckpointError(f'{out} is not written, since no tool could use it with the config of {config}:\n'
                                  + '\n'.join(said[:3])) from error


def quiet(line: str) -> None:
    """Say nothing of what is changed in the source's own config."""


def build(plan: 'Plan', cfg: Optional['Config']) -> 'nn.Module':
    """Our network."""
    from segkit.registry import BACKBONES, MODELS
    return BACKBONES.build(dict(plan.backbone)) if cfg is None else MODELS.build(cfg.model)


def prove(plan: 'Plan', weights: Mapping[str, 'Tensor'], model: 'nn.Module', wanted: bool, file: str,
          config: str) -> None:
    """Run the source's network and ours, and print the largest difference.

    Raises:
        CheckpointError: If it is larger than rounding explains.
    """
    from segkit.apis.importers.proof import LARGEST, SIZE, differences, fixed_image
    if not wanted or plan.reference is None:
        say('not compared with the source: ' + (plan.no_reference if wanted else '--no-proof'))
        return
    found = differences(model, plan.reference(weights, model), fixed_image())
    for one in found:
        say(f'the source on an image of {SIZE[0]}x{SIZE[1]}, {one.text()}')
    worst = max(found, key=lambda one: one.relative)
    if not worst.relative <= LARGEST:
        raise CheckpointError(f'{file} fits {config}, but computes something else there: the values of {worst.part} '
                              f'differ by {worst.relative:.2g} of their range.\nLeave --config out, or give one whose '
                              f'network is that of {plan.what}.')


def meta_of(plan: 'Plan', source: str, cfg: Optional['Config'], dataset_meta: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoint says beside its weights."""
    import segkit
    from segkit.engine.run_config import plain
    from segkit.engine.run_state import PREPROCESSING

    meta: dict[str, Any] = dict(segkit_version=segkit.__version__, imported_from=source, imported=plan.what)
    if cfg is None:
        return dict(meta, backbone=json.dumps(plain(plan.backbone)))
    return dict(
        meta, dataset_meta=plain(dict(dataset_meta)), config_json=json.dumps(plain(cfg.to_dict(), pairs=True)),
        preprocessing={k: v for k, v in plain(cfg.model.data_preprocessor).items() if k in PREPROCESSING})


def folded(weights: Mapping[str, 'Tensor']) -> bool:
    """Whether every batch norm's statistics are 0 and 1, so that it only scales and shifts."""
    found = {key: value for key, value in weights.items() if re.search(r'running_(mean|var)$', key)}
    return bool(found) and all((value == (1 if key.endswith('running_var') else 0)).all()
                               for key, value in found.items())
