"""One side of data_pipeline.py: answers requests about the pipeline of segkit or of MMSegmentation.

Runs under either environment, so it imports neither before it is told which. Requests and answers are lines of JSON;
the first request is the list of (image, mask) paths.
"""
import hashlib
import importlib
import json
import os
import sys
import time

import cv2
import numpy as np
import torch

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(2048, 512), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]


def sample(pair, seed):
    """What a dataset hands to its pipeline, and the random state that goes with it."""
    np.random.seed(seed)
    return dict(img_path=pair[0], seg_map_path=pair[1], label_map=None, reduce_zero_label=False, seg_fields=[],
                ignore_index=255, num_classes=21)


def digest(packed):
    """SHA-256 of the values of image (3, H, W) and labels (1, H, W)."""
    labels = packed['data_samples'].gt_sem_seg.data
    content = packed['inputs'].contiguous().numpy().tobytes() + labels.numpy().astype(np.uint8).tobytes()
    return hashlib.sha256(content).hexdigest()


def digests(steps, pairs):
    """The digest of every sample; reads every file once, which warms the cache."""
    found = []
    for seed, pair in enumerate(pairs):
        results = sample(pair, seed)
        for step in steps:
            results = step(results)
        found.append(digest(results))
    return found


def block(steps, pairs):
    """Wall-clock and CPU seconds of all samples, and CPU seconds by stage."""
    stages, wall = [0.] * len(steps), 0.
    for seed, pair in enumerate(pairs):
        results = sample(pair, seed)
        start = time.perf_counter()
        before = time.process_time()
        for i, step in enumerate(steps):
            results = step(results)
            now = time.process_time()
            stages[i] += now - before
            before = now
        wall += time.perf_counter() - start
    return dict(wall=wall, cpu=sum(stages), stages={type(s).__name__: t for s, t in zip(steps, stages)})


def main(package):
    """Answer until the other end closes."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    importlib.import_module(f'{package}.datasets.transforms')
    registry = importlib.import_module(f'{package}.registry').TRANSFORMS
    steps = [registry.build(dict(step)) for step in PIPELINE]
    version = importlib.import_module(package).__version__
    pairs = None
    for line in sys.stdin:
        request = json.loads(line)
        if pairs is None:
            pairs = request
            answer = dict(name=f'{package} {version}', stages=[type(step).__name__ for step in steps])
        else:
            answer = dict(digests=digests, block=block)[request](steps, pairs)
        answers.write(json.dumps(answer) + '\n')
        answers.flush()


if __name__ == '__main__':
    main(sys.argv[1])
