"""A process that answers requests, under this interpreter or under the one that has MMSegmentation."""
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Optional

from segkit.errors import ConfigError

ROOT = Path(__file__).parents[2]
ONE_THREAD = dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1')
PEER_SETUP = """\
--peer needs the path of a Python that has MMSegmentation (or SEGKIT_PEER_PYTHON); got {!r}. To make one:
  python3 -m venv peer && peer/bin/pip install 'onedl-mmsegmentation[torch,mminstall]'
and then --peer peer/bin/python."""


def checked_peer(python: Optional[str]) -> str:
    """The path of the peer's interpreter.

    Raises:
        ConfigError: If there is no such file; says how to make one.
    """
    if not python or not Path(python).is_file():
        raise ConfigError(PEER_SETUP.format(python or ''))
    return python


class Answering:
    """A process that answers lines of JSON with lines of JSON, on one thread.

    Args:
        name: 'segkit', which is found in this checkout, or 'mmseg'.
        python: The interpreter.
        script: What it runs, with ``name`` as its first argument.

    Raises:
        ConfigError: From a request, if the process ended.
    """

    def __init__(self, name: str, python: str, script: Path) -> None:
        env = {**os.environ, **ONE_THREAD}
        env['PYTHONPATH'] = str(ROOT) if name == 'segkit' else ''
        self.name = name
        self.log = tempfile.TemporaryFile(mode='w+')
        self.process = subprocess.Popen([python, str(script), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=env)

    def ask(self, request: Any) -> Any:
        """Send a request and wait for its answer."""
        self.send(request)
        return self.receive()

    def send(self, request: Any) -> None:
        """Send a request; :meth:`receive` gives its answer."""
        try:
            self.process.stdin.write(json.dumps(request) + '\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended; receive says why

    def receive(self) -> Any:
        """The answer to the oldest request that was sent and not yet answered."""
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            self.log.seek(0)
            why = (self.log.read().strip().splitlines() or ['no message'])[-1]
            hint = '\nDoes that Python have MMSegmentation? See --help.' if self.name == 'mmseg' else ''
            raise ConfigError(f'The {self.name} process ({self.process.args[0]}) ended: {why}{hint}')
        return json.loads(answer)

    def close(self) -> int:
        """Let it end, and return its exit status."""
        self.process.stdin.close()
        return self.process.wait()
