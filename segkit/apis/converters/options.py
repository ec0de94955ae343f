"""What the command lines of the dataset converters have in common."""
import argparse

from segkit.apis.arguments import add_nproc

AGAIN = 'A second run checks what is there, and makes what is missing, damaged or has other labels.'


def add_common(parser: argparse.ArgumentParser, download: str = '', partial: bool = True) -> None:
    """Add the options that every converter takes.

    Args:
        parser: The tool's.
        download: What ``--download`` fetches, with its size; '' where no address can be given.
        partial: Whether the set has official counts.
    """
    add_nproc(parser)
    if partial:
        parser.add_argument('--partial', action='store_true',
                            help='take a part of the data set; without it, other counts than the official ones are '
                                 'refused')
    if download:
        parser.add_argument('--download', action='store_true',
                            help=f'fetch what is not there first: {download}; goes on where it broke off')
        parser.add_argument('--download-dir', metavar='DIR',
                            help='where archives are kept, also those that you put there yourself (default: downloads/ '
                                 'in the first folder)')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
