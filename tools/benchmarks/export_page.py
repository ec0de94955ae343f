"""docs/export.md from what tools/benchmarks/export.py measured."""
from typing import Any

HEAD = """# Export

`tools/export.py` writes a checkpoint as one file for other runtimes and compares it with the network on photos before
the file gets its name. It needs `pip install onnx onnxscript onnxruntime` for ONNX; prediction needs the last alone.

```bash
python tools/export.py work_dirs/mine/best_mIoU.pth --out model.onnx
python tools/predict.py photos/ model.onnx --out-dir predictions
```

| Option | |
|---|---|
| `--format onnx`, `torch-export` | by default the suffix of `--out` says it: `.onnx` or `.pt2` |
| `--dynamic` | any size and any number of images; the default |
| `--size H W` | one size, one image at a time; photos are resized to it, unless the config pads to just that |
| `--with-preprocess` | takes bytes (N, H, W, 3), RGB or with `--channel-order bgr` BGR; normalises and pads them |
| `--with-postprocess` | also gives `classes` (N, H, W) at the image's size; `--probabilities` those of each class |
| `--images`, `--num-images` | photos to compare on; by default the test data of the config, else generated scenes |
| `--latency` | times a prediction with the network and with the file, in turns |

`logits` (N, K, h, w) are the scores as the head gives them; a prediction resizes them to the network's input
(bilinear, `align_corners` as in the file), cuts off padding, resizes to the photo and takes the largest. `predict.py`,
`init_model` and `MMSegInferencer` do that with the same code for a checkpoint and for a file. In `mode='slide'` the
file holds the network of one window, and they make the windows. What else `model.test_cfg` does to the scores is not in
the file either; the export says so, and they do it.

In the file stand four texts of JSON (`metadata_props` of ONNX, `extra_files` of torch.export): `classes`, `palette`,
`preprocessing` (mean, std, order of channels, padding), and `segkit`, the rest. torch reads `.pt2` in a way that can
run code, so `predict.py` wants `--unsafe-load` for it.

A file that disagrees on 0.1 % of the pixels of any photo is not kept. Every backbone and head here exports for any
size: adaptive and ceil-mode pools are written as equal products and gathers, and sizes of MSC's copies are computed in
whole numbers (factors such as 0.7, which cannot be, want `--size`). Refused with the reason: a segmentor with methods
of its own behind the network; `--with-postprocess` in `mode='slide'`; ONNX above 2 GB.

## Measured

"""
ROW = '| {} | {} | {:.1f} MB | {:.1e} | {} | {:.4%} | {} | {:,.0f} ms |'


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page, of the facts of each network."""
    lines = [HEAD.rstrip(), '', '    python tools/benchmarks/export.py --data-root $SEGKIT_DATA' + _options(found), '']
    lines += ['| network | file | size | largest difference of scores | of scores in | same class | classes found | '
              'one image |', '|---|---|---|---|---|---|---|---|']
    for name, facts in found.items():
        lines.append(f'| {name} | (torch, eager) | | | | | | {facts["latency"]["torch, eager"]["median_ms"]:,.0f} ms |')
        for label, file in facts['files'].items():
            rows = file['rows']
            pixels = [row['photo'][0] * row['photo'][1] for row in rows]
            same = sum(_share(row) * count for row, count in zip(rows, pixels)) / sum(pixels)
            low, high = min(row['lowest'] for row in rows), max(row['highest'] for row in rows)
            classes = len({number for row in rows for number in row['found']})
            lines.append(ROW.format(name, label, file['megabytes'], max(row['difference'] for row in rows),
                                    f'{low:.1f} to {high:.1f}', same, classes, facts['latency'][label]['median_ms']))
    lines += ['', *_notes(found)]
    return '\n'.join(lines) + '\n'


def _share(row: dict[str, Any]) -> float:
    return row['agreement'] if row['inside'] is None else min(row['agreement'], row['inside'])


def _options(found: dict[str, dict[str, Any]]) -> str:
    settings = next(iter(found.values()))['settings']
    words = [f'--photos {len(settings["photos"])}', f'--size {settings["size"][0]} {settings["size"][1]}',
             f'--rounds {settings["rounds"]}', f'--number {settings["number"]}']
    return ' \\\n        ' + ' '.join(words)


def _notes(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, facts in found.items():
        sizes = sorted({tuple(row['photo']) for file in facts['files'].values() for row in file['rows']})
        images = ', '.join('x'.join(map(str, size)) for size in sizes)
        rounds = [one.get('core_share') for one in facts['latency'].values()]
        share = '' if None in rounds else f', which had {min(rounds):.0%} to {max(rounds):.0%} of a core'
        one = next(iter(facts['latency'].values()))
        lines.append(f'- **{name}**: {facts["about"]}; photos and parts of one, h x w: {images}. Times: median of '
                     f'{one["batches"]} or more, {facts["size"][0]}x{facts["size"][1]} bytes to classes, the ways in '
                     f'turns, {facts["settings"]["threads"]} thread{"s" * (facts["settings"]["threads"] > 1)}{share}. '
                     f'{facts["machine"]}, no GPU, torch {facts["settings"]["torch"]}.')
    lines += ['', 'Largest difference and classes are over all these images. For files of a fixed size photos are '
              'resized to it (the MobileNetV2 pads them), and the network is given the same. "All inside": bytes in, '
              'classes out; of its two shares, the classes in the file and those made outside, the lower one stands.']
    return lines
