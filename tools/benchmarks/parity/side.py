"""One side of parity.py: answers requests with segkit or with MMSegmentation, whichever it is told.

A request is a line of JSON, {"do": NAME, ...}; so is an answer, with "error" in it where the request failed.
"""
import importlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])
REQUESTS = dict(read='model_side', model='model_side', slice='model_side', train='train_side', samples='data_side',
                batch='data_side', metric='metric_side', losses='loss_side', checkpoint='checkpoint_side')


def about(package, request):
    """Names and versions of what this side runs on."""
    import cv2
    import mmcv
    import mmengine
    import numpy
    import torch
    own = importlib.import_module(package)
    parts = dict(torch=torch, mmengine=mmengine, mmcv=mmcv, numpy=numpy, opencv=cv2)
    return dict(name=package, version=own.__version__, parts={name: m.__version__ for name, m in parts.items()})


def answer(package, request):
    """The answer to a request, or what went wrong."""
    try:
        if request['do'] == 'about':
            return about(package, request)
        module = importlib.import_module(f'parity.{REQUESTS[request["do"]]}')
        return getattr(module, request['do'])(package, request)
    except Exception as error:  # whatever the library raises is a finding, and goes into the report
        traceback.print_exc()
        return dict(error=f'{type(error).__name__}: {" ".join(str(error).split())[:300]}')


def main(package):
    """Answer until the other end closes."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    warnings.simplefilter('ignore')
    import cv2
    import torch
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if package == 'mmseg':
        from mmseg.utils import register_all_modules
        register_all_modules(init_default_scope=True)
    else:
        from mmengine.registry import DefaultScope
        DefaultScope.get_instance('parity', scope_name=package)
    for line in sys.stdin:
        answers.write(json.dumps(answer(package, json.loads(line))) + '\n')
        answers.flush()


if __name__ == '__main__':
    main(sys.argv[1])
