"""Equal weights on both sides, and how far their outputs are from each other."""
from pathlib import Path

from answering import Answering

from parity.upstream import groups
from parity.work import Work, progress

# Above these, float32 leaves doubt and the same is computed in float64.
SCORES = 1e-5  # of the largest score
LOSSES = 1e-5  # of the loss
GRADIENTS = 1e-3  # of a tensor's largest value
EXACT = 1e-6  # in float64 and in all of these units, what is rounding and what is not


def compare_models(configs: Path, told: dict[str, dict], peer: Answering, own: Answering,
                   work: Work) -> dict[str, dict]:
    """Compare every distinct model. The peer computes the next one while segkit computes this one.

    Returns:
        By the digest of the model what was found.
    """
    distinct = groups(told, 'key')
    fused = _with_views(distinct, told)
    results = {key: work.get('model', key) for key in distinct}
    for key in fused:  # another choice of files may have known it without its views
        if results[key] is not None and not {'error', 'views_classes'} & set(results[key]):
            results[key] = None
    missing = [key for key in distinct if results[key] is None]

    def request(number: int, **more) -> dict:
        key = missing[number]
        return dict(do='model', file=str(configs / distinct[key][0]), views=key in fused,
                    weights=str(work.scratch / f'{key}.pth'), outputs=str(work.scratch / f'{key}-outputs.pth'), **more)

    waiting = None  # an answer of the peer that came before it was its turn
    if missing:
        peer.send(request(0))
    for i in progress(range(len(missing)), 'models', lambda i: distinct[missing[i]][0]):
        answer = peer.receive() if waiting is None else waiting
        waiting = None
        more = i + 1 < len(missing)
        if more:
            peer.send(request(i + 1))
        found = answer if 'error' in answer else own.ask(request(i))
        if 'error' in answer:
            found['stage'] = 'peer'
        elif 'error' not in found and in_doubt(found):
            if more:  # the peer answers in order; the next model's files stay until they are asked for
                waiting = peer.receive()
            answer = peer.ask(request(i, double=True))
            found['double'] = answer if 'error' in answer else own.ask(request(i, double=True))
        results[missing[i]] = work.put('model', missing[i], found)
    return results


def _with_views(distinct: dict[str, list[str]], told: dict[str, dict]) -> set[str]:
    """For each method and way of resizing the models of least depth, which are also asked to fuse several views."""
    chosen: dict[tuple, str] = {}
    for key in distinct:
        name = distinct[key][0]
        kind = (name.split('/')[0], told[name]['align_corners'], told[name]['slide'])
        if kind not in chosen or told[name]['depth'] < told[distinct[chosen[kind]][0]]['depth']:
            chosen[kind] = key
    return set(chosen.values())


def in_doubt(found: dict) -> bool:
    """Whether differences are larger than what float32 explains without a second look."""
    scores = any(found[name]['gap'] > SCORES * found[name]['largest'] for name in ('whole', 'slide') if name in found)
    classes = any(found.get(name) for name in ('classes', 'slide_classes', 'views_classes'))
    return scores or classes or loss_gap(found) > LOSSES or found['gradients']['gap'] > GRADIENTS


def loss_gap(found: dict) -> float:
    """The largest difference of a loss over its value; infinite where one side lacks it."""
    gaps = [float('inf') if None in pair else abs(pair[0] - pair[1]) / max(abs(pair[0]), 1e-12)
            for name, pair in found['losses'].items() if 'loss' in name]
    return max(gaps)


def score_gap(found: dict) -> float:
    """The largest difference of a score over the largest score."""
    return max(found[name]['gap'] / found[name]['largest'] for name in ('whole', 'slide') if name in found)


def verdicts(found: dict) -> dict[str, bool]:
    """Whether scores, losses and gradients are equal but for rounding."""
    if 'error' in found:
        return dict(scores=False, losses=False, gradients=False)
    exact = found.get('double', found)
    limits = (EXACT, EXACT, EXACT) if 'double' in found else (SCORES, LOSSES, GRADIENTS)
    if 'error' in exact:
        return dict(scores=False, losses=False, gradients=False)
    return dict(scores=score_gap(exact) <= limits[0] and not (exact['classes'] or exact.get('slide_classes')),
                losses=loss_gap(exact) <= limits[1], gradients=exact['gradients']['gap'] <= limits[2])
