"""One pass over a data set that finds what is wrong with it; the body of tools/doctor.py."""
import argparse
import copy
import json
import os.path as osp
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from segkit.apis.arguments import Parser, add_cfg_options, add_nproc

if TYPE_CHECKING:
    from mmengine.config import Config

    from segkit.apis.doctor_findings import Findings
    from segkit.datasets.layouts import Layout
    from segkit.datasets.survey import Split

CLEAN, FOUND = 0, 1
EXAMPLE = """examples:
  python tools/doctor.py configs/deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py
  python tools/doctor.py data/VOCdevkit/VOC2012 --num-classes 21 --json doctor.json

Exit status: 0 nothing to mend (notes only), 1 errors or warnings, 2 the data could not be looked at.
Nothing is written but the file of --json. docs/doctor.md lists what is found.
"""


class Examined(NamedTuple):
    """What was found: the text for people, plain values for programs, the exit status."""

    text: str
    values: dict[str, Any]
    status: int


def parse_args(argv: Optional[Sequence[str]]) -> argparse.Namespace:
    """The command line."""
    parser = Parser('doctor.py', description='Look at every file of a data set, once, and say what is wrong with it.',
                    epilog=EXAMPLE, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='CONFIG | FOLDER', help='config file, of which the datasets of training, '
                        'validation and test are looked at; or a folder of photos and masks, whose layout is found')
    parser.add_argument('--num-classes', type=int, metavar='K', help='of a folder: its labels are 0 to K-1 and 255 '
                        '(default: up to the highest label there is)')
    add_nproc(parser, 'look')
    parser.add_argument('--limit', type=int, metavar='N', help='look at N pairs of each dataset only, spread evenly')
    parser.add_argument('--json', metavar='FILE', help='write all of it as JSON too, every file by name')
    parser.add_argument('--fail-on', choices=['warning', 'error'], default='warning',
                        help='what makes the exit status 1: warnings and errors (default), or errors alone')
    add_cfg_options(parser)
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Look, print, and leave with the status.

    Raises:
        ConfigError: If an option does not fit, the file of --json cannot be written, or the config cannot be used.
        DataError: If the folder is not there or has no known layout, or no split can be listed.
    """
    args = parse_args(argv)
    from mmengine.logging import MMLogger

    from segkit.engine.console import Console
    from segkit.errors import ConfigError

    for name in ('num_classes', 'limit'):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ConfigError(f'--{name.replace("_", "-")}: expected at least 1, got {value}.')
    is_folder = osp.isdir(args.source)
    if is_folder and args.cfg_options:
        raise ConfigError(f'--cfg-options changes a config, and {args.source} is a folder.')
    if not is_folder and args.num_classes is not None:
        raise ConfigError('--num-classes is for a folder; a config says how many classes its datasets have.')
    if args.json:
        _require_place(Path(args.json))
    MMLogger.get_current_instance().handlers = [Console()]  # what a dataset says, as plain lines
    found = examine(args.source, args.cfg_options, args.num_classes, args.nproc, args.limit, args.fail_on)
    print(found.text)
    if args.json:
        from segkit.apis.doctor_report import printable
        from segkit.engine.run_folder import write_bytes
        write_bytes(Path(args.json), (json.dumps(found.values, indent=1) + '\n').encode())
        print(f'\nAll of it as JSON: {printable(args.json)}')
    if found.status != CLEAN:
        sys.exit(found.status)


def _require_place(path: Path) -> None:
    """Look whether a file can be written there, before all the work and without leaving anything.

    Raises:
        ConfigError: If it cannot.
    """
    from segkit.errors import ConfigError
    if path.is_dir():
        raise ConfigError(f'--json: expected a file, and {path} is a folder.\nName a file in it.')
    within = path.parent.resolve()
    folder = next(parent for parent in (within, *within.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f'--json: {path} cannot be written: {folder}: {error.strerror}.\nName a file in a folder '
                          'that you may write to.') from error


def examine(source: str, cfg_options: Sequence[str] = (), num_classes: Optional[int] = None,
            workers: Optional[int] = None, limit: Optional[int] = None, fail_on: str = 'warning') -> Examined:
    """Look at the data of a config or a folder.

    Args:
        source: The config file or the folder.
        cfg_options: Overrides of the config.
        num_classes: Of a folder; None takes it from the labels.
        workers: Processes; None takes one for each core, 16 at most.
        limit: Pairs of each dataset to look at; None looks at all.
        fail_on: 'warning' or 'error': what makes the status 1.

    Raises:
        ConfigError, DataError: As :func:`main`.
    """
    from mmengine.registry import init_default_scope

    from segkit.apis import doctor_judgement as judgement
    from segkit.apis.doctor_advice import advise, training_split
    from segkit.apis.doctor_findings import ERROR, WARNING, Findings
    from segkit.apis.doctor_report import as_json, as_text, printable
    from segkit.datasets.crop_fit import crop_fit
    from segkit.datasets.progress import show_progress
    from segkit.datasets.survey import survey

    init_default_scope('segkit')
    found, cfg = Findings(), None
    if osp.isdir(source):
        from segkit.datasets.layouts import recognise
        layout = recognise(source)
        what = f'{source}: {layout.what}'
        splits = _splits_of_folder(layout, num_classes, found)
    else:
        from segkit.config import load_config
        cfg = load_config(source, list(cfg_options), say=print)
        what = f'{source}: the datasets of its dataloaders'
        splits = _splits_of_config(cfg, found)
    print(printable(what), flush=True)
    guessed = cfg is None and num_classes is None
    names_of = [split.name for split in splits]
    looked = survey(splits, lambda part: None if guessed else part.num_classes,
                    lambda finding, owners: found.add(finding, [names_of[i] for i in owners]), limit, workers,
                    lambda pairs: show_progress(pairs, 'pairs'))
    names = _names(splits, guessed, judgement.classes_below_a_gap(splits))
    judgement.judge(looked, names, guessed, limit is None, found)
    judgement.look_around(looked, found)
    training = training_split(splits) or splits[0]
    if cfg is not None:
        judgement.judge_normalisation(training, (cfg.get('model') or {}).get('data_preprocessor'), found)
        sizes = looked.table[training.rows]
        sizes = sizes[sizes['height'] > 0][['height', 'width']].tolist()
        if training.role == 'train':
            judgement.judge_crops(training, crop_fit(training.parts[0], sizes), found)
    advice = advise(looked, found, names, crop=cfg is None or found.of('padding').count > 0, cfg=cfg)
    bad = found.count(ERROR) + (found.count(WARNING) if fail_on == 'warning' else 0)
    status = FOUND if bad else CLEAN
    return Examined(as_text(looked, found, names, advice, limit),
                    as_json(looked, found, names, advice, what, source, limit, status), status)


def _names(splits: Sequence['Split'], guessed: bool, number: int) -> list[str]:
    if guessed:
        return [str(label) for label in range(number)]
    return list(splits[0].parts[0].metainfo['classes'])


def _splits_of_config(cfg: 'Config', found: 'Findings') -> list['Split']:
    """The splits of a config, those whose files can be listed; the others become findings.

    Raises:
        ConfigError: If there are no datasets, or none that gives files.
        DataError: If no split can be listed.
    """
    from segkit.engine.checks.config_parts import datasets_of
    from segkit.errors import ConfigError
    from segkit.signatures import accepted_keywords

    wanted: dict[str, dict] = {}
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader')
        dataset = loader.get('dataset') if isinstance(loader, dict) else None
        if not isinstance(dataset, dict) or (name == 'test' and dataset == wanted.get('val')):
            continue
        wanted[name] = dataset
    if not wanted:
        raise ConfigError('The config has no train_dataloader, val_dataloader or test_dataloader with a dataset: there '
                          'is nothing to look at.')
    configs = {}
    for name, dataset in wanted.items():
        copied = dict(dataset=copy.deepcopy(dataset))
        for part in datasets_of({f'{name}_dataloader': copied}, name):
            keywords = accepted_keywords(part.cls) if part.cls is not None else None
            if keywords is None or 'bad_samples' in keywords:
                part.cfg['bad_samples'] = 'skip'  # else the first file that is not there would end it
        configs[name] = copied['dataset']
    return _listed({name: (name, config) for name, config in configs.items()}, found)


def _splits_of_folder(layout: 'Layout', num_classes: Optional[int], found: 'Findings') -> list['Split']:
    """The splits of a folder, as :func:`_splits_of_config` gives them."""
    from segkit.datasets.layouts import role_of
    classes = [str(label) for label in range(num_classes or 256)]
    return _listed({name: (role_of(name), dict(config, metainfo=dict(classes=classes), bad_samples='skip'))
                    for name, config in layout.splits.items()}, found)


def _listed(configs: dict[str, tuple[str, dict]], found: 'Findings') -> list['Split']:
    from segkit.apis.doctor_findings import FOLDER, LIST, PACK
    from segkit.datasets.leaves import leaves
    from segkit.datasets.packed_dataset import PackedDataset
    from segkit.datasets.survey import Split
    from segkit.errors import ConfigError, DataError
    from segkit.registry import DATASETS

    splits, first = [], None
    for name, (role, config) in configs.items():
        try:
            dataset = DATASETS.build(config)
            parts = list(leaves(dataset))
            if not parts:
                raise ConfigError(f'The dataset of {name} is a {type(dataset).__name__}, which does not say what files '
                                  'it reads: the doctor looks at datasets of this package, in any wrappers.\nGive it '
                                  'the folder of the data instead.')
            for part in parts:
                part.full_init()
        except DataError as error:
            first = first or error
            *text, remedy = str(error).splitlines()
            found.tell('split', name, f'{name}: {" ".join(text) or remedy}', name, remedy=remedy if text else '')
            continue
        packed = any(isinstance(part, PackedDataset) for part in parts)
        found.source_of[name] = PACK if packed else LIST if any(part.ann_file for part in parts) else FOLDER
        splits.append(Split(name, role, parts))
    if not splits:
        raise first
    return splits
