"""Training and test samples, batches, the metric and the losses of both sides."""
import shutil
from pathlib import Path
from typing import Any, Optional

from answering import Answering

from parity.trees import make_trees
from parity.work import Work

# Title -> (file, layout of its data).
PIPELINES = {
    'VOC 2012': ('_base_/datasets/pascal_voc12.py', 'voc'),
    'VOC 2012 aug': ('deeplabv3/deeplabv3_r50-d8_4xb4-20k_voc12aug-512x512.py', 'voc'),
    'Cityscapes 512x1024': ('deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-512x1024.py', 'cityscapes'),
    'Cityscapes 769x769': ('deeplabv3/deeplabv3_r50-d8_4xb2-40k_cityscapes-769x769.py', 'cityscapes'),
    'ADE20K': ('deeplabv3/deeplabv3_r50-d8_4xb4-80k_ade20k-512x512.py', 'ade20k'),
}
TEST_SAMPLES = 40
# Title -> (loader, steps left out, training, changes of the file's preprocessor).
BATCHES = {
    'test, padded to a multiple of 32': ('val_dataloader', (), False, dict(test_cfg=dict(size_divisor=32))),
    'test, padded to 2048 x 2048': ('val_dataloader', (), False, dict(test_cfg=dict(size=(2048, 2048)))),
    'training, padded to a multiple of 32': ('train_dataloader', ('RandomCrop', 'Pad'), True,
                                             dict(size=None, size_divisor=32)),
}
METRICS = {
    'every class found': dict(seed=1, num_classes=21, images=12, absent=[], unfound=[]),
    'classes in no label and no prediction': dict(seed=2, num_classes=19, images=12, absent=[3, 18], unfound=[]),
    'classes labelled and never predicted': dict(seed=3, num_classes=150, images=12, absent=[7], unfound=[11, 60]),
}


def compare_samples(configs: Path, pack: Optional[Path], number: int, peer: Answering, own: Answering,
                    work: Work) -> dict:
    """Digests of samples, and batches through the preprocessors.

    Returns:
        dict(samples: title -> {train, test: [equal, of, first name that differs]}, batches: title -> finding,
        told: where the photos come from).
    """
    key = f'{number}-{"pack" if pack else "scenes"}'
    known = work.get('samples', key)
    if known is not None:
        return known
    root = work.scratch / 'trees'
    shutil.rmtree(root, ignore_errors=True)
    print('writing data in the layouts of VOC, Cityscapes and ADE20K', flush=True)
    folders, told = make_trees(root, pack, number)
    found: dict[str, Any] = dict(samples={}, batches={}, told=told)
    for title, (file, layout) in PIPELINES.items():
        found['samples'][title] = dict(layout=layout)
        for kind, loader, count in (('train', 'train_dataloader', number), ('test', 'val_dataloader', TEST_SAMPLES)):
            print(f'samples: {title}, {kind}', flush=True)
            request = dict(do='samples', file=str(configs / file), root=folders[layout], loader=loader, number=count)
            found['samples'][title][kind] = _equal(*_both(request, peer, own))
    for title, (loader, without, training, changes) in BATCHES.items():
        print(f'batch: {title}', flush=True)
        request = dict(do='batch', file=str(configs / PIPELINES['ADE20K'][0]), root=folders['ade20k'], loader=loader,
                       without=without, training=training, preprocessor=changes, number=4 if training else 20,
                       outputs=str(work.scratch / 'batch.pth'))
        theirs = peer.ask(request)
        found['batches'][title] = theirs if 'error' in theirs else own.ask(request)
    shutil.rmtree(root)
    return work.put('samples', key, found)


def _both(request: dict, peer: Answering, own: Answering) -> tuple[Any, Any]:
    peer.send(request)
    ours = own.ask(request)
    return peer.receive(), ours


def _equal(theirs: Any, ours: Any) -> dict:
    for name, side in (('there', theirs), ('here', ours)):
        if isinstance(side, dict):
            return dict(error=f'{name}: {side["error"]}')
    wrong = [name for (name, one), other in zip(theirs, ours) if [name, one] != other]
    return dict(equal=len(theirs) - len(wrong), of=len(theirs), first=wrong[0] if wrong else None)


def compare_metric(peer: Answering, own: Answering) -> dict:
    """The cells of IoUMetric's tables and its means, as printed.

    Returns:
        Title -> dict(cells, different: [name, column, there, here]).
    """
    found = {}
    for title, request in METRICS.items():
        theirs, ours = _both(dict(request, do='metric'), peer, own)
        if 'error' in theirs or 'error' in ours:
            found[title] = dict(error=theirs.get('error') or ours['error'])
            continue
        theirs['table']['mean'], ours['table']['mean'] = theirs['means'], ours['means']
        pairs = [(name, column, _printed(value), _printed(ours['table'].get(name, {}).get(column)))
                 for name, row in theirs['table'].items() for column, value in row.items()]
        scores = [0 if _printed(row['Fscore']) == 'n/a' else float(row['Fscore'])
                  for name, row in theirs['table'].items() if name != 'mean' and _printed(row['IoU']) != 'n/a']
        found[title] = dict(cells=len(pairs), different=[pair for pair in pairs if pair[2] != pair[3]],
                            with_zeros=sum(scores) / len(scores))
    return found


def _printed(value: Optional[str]) -> str:
    """A printed number with two decimals; 'n/a' and 'nan' are the same."""
    return 'n/a' if value in ('nan', 'n/a') else 'missing' if value is None else f'{float(value):.2f}'


def compare_losses(peer: Answering, own: Answering, work: Work) -> dict:
    """Values and gradients of the losses, in float32 and float64: name -> {'single': ..., 'double': ...}."""
    found: dict[str, dict] = {}
    for kind in ('single', 'double'):
        request = dict(do='losses', double=kind == 'double', outputs=str(work.scratch / 'losses.pth'))
        theirs = peer.ask(request)
        for name, one in (theirs if 'error' in theirs else own.ask(request)).items():
            found.setdefault(name, {})[kind] = one
    return found
