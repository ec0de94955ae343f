"""Samples that a run goes without: said, counted, limited, and carried from the loader processes to the main one."""
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.logging import print_log
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter, _SingleProcessDataLoaderIter

from segkit.engine.run_folder import write_bytes
from segkit.errors import DataError
from segkit.structures import SkippedSample

WARNING = 30


class SkippedSamples:
    """What was skipped of one dataset.

    In one process a file is said, counted and compared with the limit when a batch that met it arrives. Several
    processes count their own until they call :meth:`agree`, so that a training step exchanges nothing; the limit is
    of all processes together.

    Attributes:
        files: File to [what is wrong with it, how often it was met], of all processes; the latter is 0 for a file that
            the check before the run found.
        passing: (file, reason) of each sample that this process skipped in the evaluation under way.
        skipped_in_pass: Samples that all processes skipped in the last evaluation.
        on_change: Called when ``files`` has changed and there is something new to write down.

    Args:
        name: 'train', 'val' or 'test'.
        limit: How many files may be skipped.
        samples: How many there are; an evaluation that skipped all of them is refused.
        beyond: Gives, of the skipped files, those of one of several joined datasets that has more of them than its own
            limit, and that limit; None where there is no such dataset.
    """

    def __init__(self, name: str, limit: int, samples: Optional[int] = None,
                 beyond: Callable[[Mapping], Optional[tuple]] = lambda files: None) -> None:
        self.name = name
        self.samples = samples
        self.beyond = beyond
        self.limit = limit
        self.files: dict[str, list] = {}
        self.passing: list[tuple[str, str]] = []
        self.skipped_in_pass = 0
        self.on_change: Callable[[], None] = lambda: None
        self._pending: list[tuple[str, str, int]] = []

    def begin_pass(self) -> None:
        """Forget what the last pass over the data skipped."""
        self.passing.clear()

    def note(self, skipped: Sequence[SkippedSample]) -> None:
        """Count what this process skipped.

        Raises:
            DataError: In a single process, if there are more files than the limit allows.
        """
        if not skipped:
            return
        if self.name != 'train':
            self.passing += [(sample.file, sample.reason) for sample in skipped]
        self._pending += [(sample.file, sample.reason, 1) for sample in skipped]
        if get_world_size() == 1:
            self._merge([self._pending])

    def add_found(self, found: Mapping[str, str]) -> None:
        """Take in what the check found before the run: file to reason."""
        self._pending += [(file, reason, 0) for file, reason in found.items()]
        if get_world_size() == 1:
            self._merge([self._pending])

    def agree(self) -> None:
        """Join the counts of all processes, each of which has to call this.

        Raises:
            DataError: If there are more files than the limit allows, or an evaluation skipped every sample; in every
                process.
        """
        parts = all_gather_object((self._pending, len(self.passing)))
        self.skipped_in_pass = sum(number for _, number in parts)
        self._merge([pending for pending, _ in parts])
        if self.samples and self.skipped_in_pass >= self.samples:
            raise DataError(f'None of the {self.samples} samples of the {self.name} data can be used, so bad_samples '
                            f'leaves nothing.\nFirst: {next(iter(self.files.values()))[0]}\n'
                            f'{TABLE} in the run folder lists them. Mend them, or correct the paths of the dataset.')

    def _merge(self, parts: Iterable[list]) -> None:
        new = []
        for file, reason, times in (entry for part in parts for entry in part):
            known = self.files.setdefault(file, [reason, 0])
            if times and not known[1]:
                new.append(file)
            known[1] += times
        changed, self._pending = any(parts), []
        bad = f'{len(self.files)} bad file{"" if len(self.files) == 1 else "s"} so far, {self.limit} allowed'
        for file in new if get_rank() == 0 else ():
            print_log(f'{self.name} data: sample skipped ({bad}): {self.files[file][0]}', 'current', WARNING)
        if changed:
            self.on_change()
        over = (list(self.files), self.limit) if len(self.files) > self.limit else None
        if over is None and changed:
            over = self.beyond(self.files)
        if over is not None:
            files, limit = over
            first = self.files[files[0]][0]
            raise DataError(f'{len(files)} files of the {self.name} data cannot be used, more than the '
                            f'{limit} that bad_samples.limit allows.\nFirst: {first}\n{TABLE} in the run folder '
                            'lists them. Mend them, take them out of the split list, or raise the limit.')

    def state(self) -> dict[str, list]:
        """:attr:`files`, as plain values to keep in a checkpoint."""
        return {file: list(known) for file, known in self.files.items()}

    def restore(self, state: Mapping[str, Sequence]) -> None:
        """Go on from :meth:`state`."""
        self.files = {file: list(known) for file, known in state.items()}

    def report(self) -> str:
        """What was skipped, in one line."""
        times, met = sum(times for _, times in self.files.values()), sum(times > 0 for _, times in self.files.values())
        return (f'{self.name} data: {times} sample{"" if times == 1 else "s"} skipped, of {met} bad '
                f'file{"" if met == 1 else "s"}')


TABLE = 'bad_samples.csv'


def write_table(path: Path, ledgers: Iterable[SkippedSamples]) -> None:
    """Write what was skipped: data, file, reason and how often it was met."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(['data', 'file', 'reason', 'times_met'])
    writer.writerows([ledger.name, file, *known] for ledger in ledgers for file, known in ledger.files.items())
    write_bytes(path, text.getvalue().encode())


class SkippingLoader(DataLoader):
    """A DataLoader of a dataset that skips samples; its batches are those of the others, joined as the config says.

    An evaluation's batch is None where all its samples were skipped.

    Args:
        *args: As for DataLoader.
        skipped: Where to note what was skipped.
        collate_fn: What joins the samples that are left.
        **kwargs: As for DataLoader.
    """

    def __init__(self, *args: Any, skipped: SkippedSamples, collate_fn: Callable, **kwargs: Any) -> None:
        super().__init__(*args, collate_fn=partial(_apart, collate_fn), **kwargs)
        self.skipped = skipped

    def __iter__(self) -> Any:
        self.skipped.begin_pass()
        return super().__iter__()

    def _get_iterator(self) -> Any:
        # torch's own iterators, whose processes our loops watch, with one more step; there is no public way
        if self.num_workers == 0:
            return _Single(self)
        self.check_worker_number_rationality()
        return _Several(self)


class _Noting:
    """Takes what was skipped off a batch, where a batch arrives in the main process."""

    def __init__(self, loader: SkippingLoader) -> None:
        super().__init__(loader)
        self._skipped = loader.skipped

    def _next_data(self) -> Optional[Any]:
        batch, skipped = super()._next_data()
        self._skipped.note([SkippedSample(*entry) for entry in skipped])
        return batch


class _Single(_Noting, _SingleProcessDataLoaderIter):
    pass


class _Several(_Noting, _MultiProcessingDataLoaderIter):
    pass


def _apart(collate: Callable, samples: Sequence) -> tuple[Optional[Any], list]:
    """A batch of the samples that are left (None if there are none), and what was skipped."""
    skipped = [tuple(sample) for sample in samples if isinstance(sample, SkippedSample)]
    left = [sample for sample in samples if not isinstance(sample, SkippedSample)]
    for sample in left:
        if isinstance(sample, dict):  # of a training, where other samples were drawn before this one
            skipped += [tuple(entry) for entry in sample.pop('skipped', ())]
    return (collate(left) if left else None), skipped
