"""What a run says on the console: plain lines, and on a terminal one line that is rewritten in place."""
import logging
import shutil
import sys

ERASE = '\r\x1b[2K'
QUIET = ('mmengine', 'mmcv')
SAID_BETTER = 'Gradient accumulative may slightly decrease'  # MMEngine; recipe.py says what batch norm sees
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
                sys.stdout.write(text + '\n')
                sys.stdout.flush()
        except Exception:  # as logging's own handlers do: a closed pipe must not end a training run
            self.handleError(record)

    def live(self, text: str) -> None:
        """Rewrite the live line; nothing where the output is not a terminal."""
        if self.terminal and self.level <= logging.INFO:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(ERASE + text[:width])
            sys.stdout.flush()
            self._live = True

    def clear(self) -> None:
        """Erase the live line."""
        if self._live:
            sys.stdout.write(ERASE)
            self._live = False


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
