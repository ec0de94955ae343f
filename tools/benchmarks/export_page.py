"""The last part of docs/export.md, from what tools/benchmarks/export.py measured; the rest is written by hand."""
from typing import Any

START = '## Networks with times\n'
ROW = '| {} | {} | {:.1f} MB | {:.1e} | {} | {:.4%} | {} | {:,.0f} ms |'


def page(before: str, found: dict[str, dict[str, Any]]) -> str:
    """The page anew.

    Args:
        before: The page as it is; what stands ahead of START stays.
        found: The facts of each network.
    """
    head = before.partition(START)[0].rstrip('\n')
    lines = [*[head, ''] * bool(head), START, '```bash',
             'python tools/benchmarks/export.py --data-root $SEGKIT_DATA' + _options(found), '```', '']
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
