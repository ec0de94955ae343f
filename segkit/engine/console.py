"""What a run says on the console: plain lines, and on a terminal one line that is rewritten in place."""
import errno
import logging
import os
import shutil
import sys

ERASE = '\r\x1b[2K'
QUIET = ('mmengine', 'mmcv')
SAID_BETTER = 'Gradient accumulative may slightly decrease'  # MMEngine; recipe.py says what batch norm sees
GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe, a terminal
LOGGING = ('logging', 'mmengine.logging')


class Console(logging.Handler):
    """Prints log records as plain lines; warnings and errors say what they are.

    INFO records that MMEngine's and mmcv's own code writes (hundreds of lines before the first step) are left
    out here and stay in the log file. What segkit's or a user's code says through MMEngine's logger is printed.

    Args:
        level: The lowest level that is printed.
    """

    def __init__(self, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._live = False
        self.addFilter(_is_for_people)

    @property
    def terminal(self) -> bool:
        """Whether the output is a terminal, on which a line can be rewritten."""
        return sys.stdout.isatty()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record; one logged with ``extra={'live': True}`` is rewritten in place on a terminal."""
        try:
            text = self.format(record)
            if record.levelno >= logging.WARNING:
                text = f'{record.levelname.lower()}: {text}'
            if getattr(record, 'live', False) and self.terminal:
                self.live(text)
            else:
                self.clear()
                self._write(text + '\n')
        except Exception:  # as logging's own handlers do
            self.handleError(record)

    def live(self, text: str) -> None:
        """Rewrite the live line; nothing where the output is not a terminal."""
        if self.terminal and self.level <= logging.INFO:
            width = shutil.get_terminal_size().columns - 1
            self._write(ERASE + text[:width])
            self._live = True

    def clear(self) -> None:
        """Erase the live line."""
        if self._live:
            self._write(ERASE)
            self._live = False

    def _write(self, text: str) -> None:
        """Write, unless who read it has gone, as in `train.py ... | head`: the training and its log file go on."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:
            if error.errno not in GONE:
                raise
            self.setLevel(logging.CRITICAL + 1)
            drop_output()


def drop_output() -> None:
    """Let what is still written to stdout go nowhere, also what Python holds back until its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (AttributeError, OSError):  # a stream of a notebook's or a test's, without a file
        sys.stdout = open(os.devnull, 'w')  # for the rest of the process
    finally:
        os.close(nowhere)


def _is_for_people(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.WARNING:
        return not str(record.msg).startswith(SAID_BETTER)
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get('__name__', '')
        if module != __name__ and not module.startswith(LOGGING):
            return module.split('.')[0] not in QUIET
        frame = frame.f_back
    return True
