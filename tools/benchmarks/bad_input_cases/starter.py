"""Runs tools in forks of this process, which has imported what they need and done nothing else.

A request is a line of JSON on its standard input, the exit status a line on its standard output. The process that asks
is no good for that: torch refuses gradients in the fork of one that has computed some.
"""
import codecs
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))
import cv2  # noqa: E402
import torch  # noqa: E402

import segkit  # noqa: E402
from segkit.visualization import figures  # noqa: E402

NOBODY = 65534  # root may read and write everything, so that mistakes about rights are tried as somebody else


def answer(request: dict[str, Any]) -> int:
    """Run a tool to its end.

    Args:
        request: ``argv``, the tool's file first; ``folder`` that it runs in; files ``out`` and ``err``; ``env``,
            variables that are set; ``as_nobody``; ``limit``, seconds until it is taken to hang.

    Returns:
        Its exit status.
    """
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            status = _run(**request)
        finally:
            os._exit(status)
    _, result = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(result)


def _run(argv: list[str], folder: str, out: str, err: str, env: dict[str, str], as_nobody: bool, limit: int) -> int:
    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, mode), number)
    sys.stdout, sys.stderr = (open(fd, 'w', buffering=1, closefd=False) for fd in (1, 2))
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr
    torch.set_num_threads(1)  # a fork has none of its parent's threads
    cv2.setNumThreads(0)
    signal.alarm(limit)
    os.environ.update(env)
    os.chdir(folder)
    if as_nobody:
        os.setuid(NOBODY)
    sys.argv = argv
    try:
        runpy.run_path(argv[0], run_name='__main__')
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # what Python itself does with an exception that nobody caught
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == '__main__':
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    for module in pkgutil.walk_packages(segkit.__path__, 'segkit.'):  # once, not in each fork; nobody may read them
        importlib.import_module(module.name)
    codecs.lookup('utf-8-sig')
    figures.curves(dict(loss=dict(a=([1], [1]))))  # matplotlib finds its fonts
    gc.freeze()  # a fork's garbage collection would copy every page of this process
    print('ready', file=answers, flush=True)
    for line in sys.stdin:
        answers.write(f'{answer(json.loads(line))}\n')
        answers.flush()
