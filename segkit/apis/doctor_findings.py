"""What can be wrong with a data set, how bad each kind is, and what was found of it."""
from collections.abc import Iterable
from typing import Any, NamedTuple

from segkit.datasets.check import Finding
from segkit.datasets.packed_file import AGAIN as PACK_AGAIN

ERROR, WARNING, NOTE = 'error', 'warning', 'note'
MOST_FILES = 10_000  # of one kind that are kept by name; all are counted


class Kind(NamedTuple):
    """How bad it is, what it means, and what to do (empty: the finding itself says so)."""

    severity: str
    what: str
    remedy: str = ''


AGAIN = 'Copy or download them again, or take them out of the split list.'
MISSING_MASKS = 'Complete the masks, or take these names out of the split list.'
COMPLAINTS = 'Look at them, and copy or download them again.'
# What to do instead where a split has no list, and where its files lie in a pack.
LIST, FOLDER, PACK = 'list', 'folder', 'pack'
INSTEAD = {
    (AGAIN, FOLDER): 'Copy or download them again, or move them out of the folders, photo and mask.',
    (MISSING_MASKS, FOLDER): 'Complete the masks, or move these photos out of the folder.',
    (AGAIN, PACK): PACK_AGAIN,
    (COMPLAINTS, PACK): 'Look at them, mend the photos, and pack them again.'}
KINDS = {
    # An error ends a training, or makes its scores wrong.
    'split': Kind(ERROR, 'splits whose files cannot be listed'),
    'missing photo': Kind(ERROR, 'photos that a split names and that are not there',
                          'Complete the data, or take these names out of the split list.'),
    'missing mask': Kind(ERROR, 'masks that are not there, of photos in a split',
                         MISSING_MASKS),
    'empty': Kind(ERROR, 'files of 0 bytes', AGAIN),
    'unreadable': Kind(ERROR, 'files that cannot be read',
                       'Let your user read them (chmod u+r FILE), and move folders of such names away.'),
    'no image': Kind(ERROR, 'files that are no images', AGAIN),
    'cut short': Kind(ERROR, 'files whose end is missing', AGAIN),
    'damaged': Kind(ERROR, 'damaged files', AGAIN),
    'size': Kind(ERROR, 'masks of another size than their photo'),
    'EXIF orientation': Kind(ERROR, 'photos that are turned by their EXIF orientation, unlike their masks'),
    'RGB mask': Kind(ERROR, 'masks that hold colours instead of class indices'),
    'JPEG as mask': Kind(ERROR, 'JPEG files as masks: labels are changed by its compression',
                         'Save masks as palette or grey PNG, from the original labels; or correct '
                         'data_prefix.seg_map_path.'),
    'mask mode': Kind(ERROR, 'masks that hold neither indices nor colours'),
    'colours': Kind(ERROR, 'masks with colours that color_map does not name'),
    'labels': Kind(ERROR, 'masks with labels out of range'),
    'all masks 0 and 255': Kind(ERROR, 'no mask holds anything but 0 and 255, and 255 means "ignore"',
                                'If 255 is the class, give the dataset label_map={255: 1}.'),
    'all masks void': Kind(ERROR, 'no mask holds a labelled pixel',
                           'Correct data_prefix.seg_map_path, label_map or reduce_zero_label.'),
    'trained on': Kind(ERROR, 'photos to evaluate on that are trained on too: scores will be too high',
                       'Take them out of one of the splits.'),
    # A warning is probably not meant.
    'decoder complains': Kind(WARNING, 'photos that the decoder reads with a complaint: some of their pixels may '
                              'be wrong', COMPLAINTS),
    'EXIF unclear': Kind(WARNING, 'photos with an EXIF orientation that the size of the mask neither confirms nor '
                         'refutes', 'Look at them with tools/analysis/browse_dataset.py; where mask and photo do not '
                         "fit, give LoadImageFromFile color_type='color_ignore_orientation'."),
    'mask of 0 and 255': Kind(WARNING, 'masks of nothing but 0 and 255, with more of 255 than is usual in the others: '
                              'it means "ignore"', 'Look at them; where 255 was meant as a class, draw them anew.'),
    'void mask': Kind(WARNING, 'masks without any labelled pixel: nothing is learned from them',
                      'Look at them, or take them out of the split.'),
    'twice': Kind(WARNING, 'photos that are there twice in one split', 'Take one of each out.'),
    'listed twice': Kind(WARNING, 'names that a split list has more than once', 'Remove the second line.'),
    'mask without photo': Kind(WARNING, 'masks without a photo', 'Complete the photos, or remove them.'),
    'class never occurs': Kind(WARNING, 'classes without a pixel in the training masks: they cannot be learned',
                               'Correct classes, label_map or reduce_zero_label, or add photos of them.'),
    'label stands apart': Kind(WARNING, 'labels far above the others: a fault, if they are no class',
                               'Look at these masks, and give the number of classes: --num-classes.'),
    '16-bit photo': Kind(WARNING, 'photos of more than 8 bits a value: their values are divided by 256, which leaves '
                         'black of a camera\'s 10 or 12 bits', 'Convert them to 8 bits as you want to see them.'),
    'CMYK photo': Kind(WARNING, 'CMYK photos: their colours are converted without a profile',
                       'Save them as RGB.'),
    'alpha photo': Kind(WARNING, 'photos with transparency: what is transparent shows the colour that lies under it',
                        'Save them without alpha, before the ground that is meant.'),
    'same name but for case': Kind(WARNING, 'names that differ only in capital letters or in the form of accents: '
                                   'one file on Windows and macOS', 'Rename one of each.'),
    'odd size': Kind(WARNING, 'photos with a side below 32 pixels or more than 5 times as long as wide',
                     'Look at them, or take them out of the split.'),
    'normalisation': Kind(WARNING, 'the preprocessor is far from the pixels of the photos'),
    'padding': Kind(WARNING, 'more than half of the training crops is padding'),
    # A note is a fact that may be meant.
    'in no split': Kind(NOTE, 'photos with masks that lie there and are in no split',
                        'If they should be used, add their names to a split list.'),
    'photo without mask': Kind(NOTE, 'photos that lie there without a mask and are in no split'),
    'in both': Kind(NOTE, 'splits to evaluate on whose photos are in a split that may be trained on',
                    'Train on a list without them: after a training on both the scores are too high.'),
    'odd name': Kind(NOTE, 'file names with characters that other programs stumble over',
                     'Rename them before you share the data.'),
    'grey photo': Kind(NOTE, 'grey photos: read as three equal channels'),
    'kinds of masks': Kind(NOTE, 'masks that are not all stored in one way'),
    'class not evaluated': Kind(NOTE, 'classes without a pixel in a split to evaluate on: no score for them there'),
}
_ORDER = {severity: number for number, severity in enumerate((ERROR, WARNING, NOTE))}


class Group:
    """All findings of a kind.

    Attributes:
        kind: A key of ``KINDS``.
        count: How many there are.
        files: The file (or class, or split) of each, at most ``MOST_FILES``, and a sentence about it.
        splits: The names of the splits that they concern.
        remedies: What to do, where findings say that themselves, each once.
        sources: What names the files of those splits: LIST, FOLDER, PACK.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.count = kind, 0
        self.files: dict[str, str] = {}
        self.splits: dict[str, None] = {}
        self.remedies: dict[str, None] = {}
        self.sources: dict[str, None] = {}

    @property
    def severity(self) -> str:
        """'error', 'warning' or 'note'."""
        return KINDS[self.kind].severity

    @property
    def remedy(self) -> str:
        """What to do."""
        own = KINDS[self.kind].remedy
        own = '\n'.join(dict.fromkeys(INSTEAD.get((own, source), own) for source in self.sources or [LIST]))
        return own or '\n'.join(list(self.remedies)[:2])

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(kind=self.kind, severity=self.severity, what=KINDS[self.kind].what, count=self.count,
                    splits=list(self.splits), remedy=self.remedy,
                    files=[dict(file=file, text=text) for file, text in self.files.items()])


class Findings:
    """Collects what is found, each file once a kind.

    Attributes:
        source_of: By split what names its files: LIST (taken where nothing is said), FOLDER or PACK.
    """

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}
        self.source_of: dict[str, str] = {}

    def add(self, finding: Finding, splits: Iterable[str] = ()) -> bool:
        """Take a finding; tells whether it is an error."""
        group = self._groups.setdefault(finding.kind, Group(finding.kind))
        if finding.file not in group.files:
            group.count += 1
            if len(group.files) < MOST_FILES:
                group.files[finding.file] = ' '.join(finding.text.split())
        splits = list(splits)
        group.splits.update(dict.fromkeys(splits))
        group.sources.update(dict.fromkeys(self.source_of.get(split, LIST) for split in splits))
        if finding.remedy and len(group.remedies) < 2:
            group.remedies[finding.remedy] = None
        return KINDS[finding.kind].severity == ERROR

    def tell(self, kind: str, file: str, text: str, *splits: str, remedy: str = '') -> None:
        """Take a finding that has no pair."""
        self.add(Finding(kind, file, text, remedy), splits)

    def of(self, kind: str) -> Group:
        """The findings of a kind, none perhaps."""
        return self._groups.get(kind) or Group(kind)

    def groups(self) -> list[Group]:
        """All kinds that were found, the worst first."""
        order = list(KINDS)
        return sorted(self._groups.values(), key=lambda group: (_ORDER[group.severity], order.index(group.kind)))

    def count(self, severity: str) -> int:
        """How many kinds of that severity were found."""
        return sum(group.severity == severity for group in self._groups.values())
