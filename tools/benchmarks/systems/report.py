"""docs/systems.md: what each source system is, what was run of it, and under what protocol."""
import platform
from typing import Any

from segkit.cores import usable_cores
from segkit.errors import ConfigError
from systems import overfit
from systems.card import card_of, command_of, score_of, title_of
from systems.facts import SYSTEMS, System

CARDS = '## Protocol cards'
HEAD = """\
# The source systems

Each system of the DeepLab family that segkit follows is a config here. `make systems` builds and counts every file,
trains every recipe for some steps, lets it learn one batch by heart and evaluates it; this page is what it found. **No
published accuracy has been reproduced**: that takes GPUs, the whole data sets and the ImageNet weights of each
source. What real weights score is in the last section.

Made by: `python tools/benchmarks/systems.py --write`

## What was run

{machine}; {data}; {jobs} at a time, {minutes} minutes in all.

- **Parameters**: of the whole network at its full size, built without memory. Each count equals the one that was
  worked out from the source beforehand (21 classes, for Cityscapes 19; auxiliary heads included).
- **Start**: random weights, with the statistics of batch norms measured on 4 batches, since no ImageNet weights can
  be fetched there. Where batch norms are frozen from the start, factors that are 0 at first become 0.2, else the
  blocks in front of them would never count. MobileNetV2 starts from real weights. Later phases start from the run of
  the phase before, by the `load_from` of their file as it stands; that was compared bit by bit. So few steps leave
  running statistics far behind the weights: ahead of a phase that freezes them they are measured anew in the
  checkpoint of the phase before.
- **Training**: {steps} iterations by the runner that trains real runs, with the config's pipeline, losses, optimizer
  and schedule. Reduced are: crops, to 96 or 97 pixels, and the scale of photos in front of them alike; batches, to 2
  images; OHEM's hard pixels, to the same share of a batch; the schedule, to {steps} iterations; loader processes, to
  none. At each step the loss was finite, and the learning rate and weight decay of every parameter were those of the
  recipe. At the end every parameter that learns had had a gradient and had changed; no frozen parameter and no
  statistic of a frozen batch norm had changed by a bit; all other statistics had. DeepLabV2 with MSC gathers ten
  batches of one image: its iterations are a tenth as many updates.
- **One batch**: {overfit} steps of Adam on one batch, without dropout; where these do not do, up to {overfit_most},
  and their number is told. The loss had to fall below half of its first value, and the cross-entropy of the scores
  below half of the entropy of the batch's labels, which is the least that a network can reach that does not look at
  the photo. Phases that differ from the one before in rate and data alone do not repeat it.
- **Evaluation**: 8 photos, by the config's own protocol: at their own size, padded where it pads, in windows (reduced
  like crops) where it has windows, as the maximum of three sizes where it has that. Scores were finite, and the
  confusion matrix had counted each labelled pixel of the mask files once. A network predicts nothing of worth after
  {steps} steps, so its score is not told. Where --tta is named, that was tried too, the sides of its views at a
  quarter.
- Cityscapes' own frames are not in that pack: its systems saw CamVid's frames in Cityscapes' layout, with CamVid's
  classes as Cityscapes' nearest.
- **Counted only**: the same recipe as a file above, with another depth, another loss or another split.
"""


def page(records: dict[str, dict[str, Any]], facts: dict[str, Any], measured: str) -> str:
    """The page.

    Args:
        records: What each system's process found.
        facts: ``data``, ``jobs``, ``minutes``, ``steps``, ``overfit`` and ``overfit_most``, in words and numbers.
        measured: The section about real weights, as it was before.
    """
    head = HEAD.format(machine=machine(), **facts)
    rows = ['| Config | Parameters | Start | Loss, first and last | One batch, loss | Evaluation | Seconds | Memory |',
            '|---|---:|---|---|---|---|---:|---:|']
    rows += [row(system, records[system.name]) for system in SYSTEMS]
    return '\n'.join([head, *rows, '', cards(), '', measured.strip(), ''])


def row(system: System, record: dict[str, Any]) -> str:
    """A line of the table."""
    cells = [f'[`{system.stem}`](../configs/{system.config})', f"{record.get('parameters', 0):,}"]
    if system.recipe is None:
        cells += ['counted only', '', '', '', '', '']
        return f'| {" | ".join(cells)} |'
    if 'evaluation' not in record:
        return f'| {" | ".join([*cells, "**failed**", "", "", "", "", ""])} |'
    first, last = record['losses']
    evaluated = f"{record['evaluation']['pixels']:,} pixels of {record['evaluation']['images']} photos"
    if 'tta' in record:
        evaluated += '; --tta too'
    cells += [record['start'], f'{first:.3f}, {last:.3f}',
              learnt(record['overfit']) if 'overfit' in record else 'as the phase before',
              evaluated, f"{record['seconds']:.0f}",
              f"{record['memory_mb']:,.0f} MB"]
    if record['faults']:
        cells[2] = f'**{len(record["faults"])} faults**'
    return f'| {" | ".join(cells)} |'


def learnt(found: dict[str, Any]) -> str:
    """How one batch was learnt, in a cell."""
    text = '{:.3f}, {:.3f}'.format(*found['losses'])
    return text if found['steps'] == overfit.STEPS else f"{text} in {found['steps']} steps"


def cards() -> str:
    """Every card, gathered from the configs; the part of the page that is the same without a run."""
    lines = [CARDS, '', 'As they stand in the configs. "Not comparable" says where the source is wrong or unclear, and '
             'what was done about it here.']
    for system in SYSTEMS:
        lines += ['', f'### {title_of(system.path)}', '', f'`{command_of(system.path)}`', '']
        lines += [f'- {field}: {text}' for field, text in card_of(system.path).items()]
        lines.append(f'- Score here: {score_of(system.path)}')
    return '\n'.join(lines)


def machine() -> str:
    """The processor, its cores and torch's version, in words."""
    import torch
    from crash_test import processor
    return f'{usable_cores()} cores of {processor()}, torch {torch.__version__}, Python {platform.python_version()}'


def section(text: str, title: str) -> str:
    """A section of a page, from its title to the next one of its rank or the end.

    Raises:
        ConfigError: If it is not there.
    """
    lines = text.splitlines()
    if title not in lines:
        raise ConfigError(f'docs/systems.md has no section {title!r}, which is kept as it is; restore it.')
    begin = lines.index(title)
    rank = title.split()[0] + ' '
    end = next((i for i in range(begin + 1, len(lines)) if lines[i].startswith(rank)), len(lines))
    return '\n'.join(lines[begin:end]).strip()
