"""Make every mistake of bad_input_cases/ with the real tools, and write what the user is told to docs/bad_inputs.md.

    python tools/benchmarks/bad_inputs.py

The cases are tests too: tests/tools/test_bad_inputs.py.
"""
import argparse
import html
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from bad_input_cases import GROUPS, cases_of, place  # noqa: E402
from bad_input_cases.case import ROOT, Answer, Case, run  # noqa: E402

from segkit.apis.arguments import Parser  # noqa: E402

MOST_LINES = 4
HEAD = """\
# What segkit says to {count} mistakes

Each was made with the real tool, in a folder with a small data set, `config.py` and a trained run; each ends with exit
status 2 and at most four lines on standard error, and without a stack trace unless `--debug` is given (the tools for
several processes have no such option). An asterisk marks what newcomers were seen to type or do with other tools.

"""


def start(folder: Path) -> Path:
    """The folder that each case gets a copy of."""
    first = folder / 'start'
    first.mkdir()
    place.make(first)
    return first


def answer_in_copy(case: Case, first: Path, debug: bool = False) -> Answer:
    """Run a case in a copy of a folder, which is removed again; the folder's path is left out of the answer."""
    here = first.parent / 'here'
    shutil.copytree(first, here)
    here.chmod(0o777)  # cases about rights are tried as nobody
    here.parent.chmod(0o755)
    try:
        answer = run(case, here, debug)
    finally:
        for path in [here, *here.rglob('*')]:
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(here)
    texts = {name: getattr(answer, name).replace(f'{os.path.realpath(here)}/', '').replace(f'{here}/', '')
             .replace(str(here), '/path/to/here').replace(f'{ROOT}/', '') for name in ('err', 'out')}
    return answer._replace(**texts)


def faults_of(case: Case, answer: Answer) -> list[str]:
    """What is not as it should be about an answer; empty for a good one."""
    faults = [f'it does not say {word!r}' for word in case.says if word not in answer.err]
    lines = len(answer.err.strip().splitlines())
    if answer.status != 2:
        faults.append(f'exit status {answer.status}')
    if not 1 <= lines <= MOST_LINES:
        faults.append(f'{lines} lines')
    if 'Traceback' in answer.err:
        faults.append('a stack trace')
    if case.limit and answer.seconds > case.limit:
        faults.append(f'{answer.seconds:.1f} s')
    return faults


def row(case: Case, answer: Answer) -> str:
    """A line of the table."""

    def cell(text: str) -> str:
        return html.escape(text, quote=False).replace('|', '\\|').replace('*', '\\*').replace('_', '\\_')

    said = '<br>'.join(cell(line) for line in answer.err.strip().splitlines())
    command = case.command.replace('|', '\\|')
    mark = ' \\*' if case.common else ''
    return f'| {cell(case.wrong)}{mark} | `{command}` | {said} | {answer.status} | {len(answer.err.splitlines())} |'


def main(argv: Sequence[str]) -> None:
    """Make the mistakes, write the page.

    Raises:
        SegkitError: If an answer is not as it should be; the page is written all the same.
    """
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', default='docs/bad_inputs.md', metavar='FILE', help='default: docs/bad_inputs.md')
    parser.add_argument('--group', choices=GROUPS, help='make the mistakes of this group only, and write no page')
    parser.add_argument('--debug', action='store_true', help='show the stack trace of an error')
    args = parser.parse_args(argv)
    from segkit.errors import SegkitError

    bad, pages = 0, []
    with tempfile.TemporaryDirectory() as folder:
        first = start(Path(folder))
        for group in [args.group] if args.group else GROUPS:
            pages.append(f'\n## {GROUPS[group]}\n\n| What is wrong | Command | Message | Status | Lines |\n'
                         '|---|---|---|--:|--:|')
            for case in cases_of(group):
                answer = answer_in_copy(case, first)
                pages.append(row(case, answer))
                faults = faults_of(case, answer)
                bad += bool(faults)
                print(f'{"BAD" if faults else "ok "} {answer.seconds:4.1f} s  {group}: {case.wrong}', flush=True)
                if faults:
                    print(f'    $ {case.command}\n    ' + '; '.join(faults))
                    print('\n'.join(f'    {line[:200]}' for line in answer.err.splitlines()[-8:]), flush=True)
    count = sum(page.startswith('| ') for page in pages)
    if not args.group:
        foot = f'\nMade by tools/benchmarks/bad_inputs.py, Python {platform.python_version()}.\n'
        Path(args.out).write_text(HEAD.format(count=count).rstrip() + '\n' + '\n'.join(pages) + '\n' + foot)
    print(f'{count} mistakes, {bad} answers not as they should be')
    if bad:
        raise SegkitError(f'{bad} of {count} answers are not as they should be; see above.')


if __name__ == '__main__':
    from segkit.apis.cli import run as run_tool
    run_tool(main)
