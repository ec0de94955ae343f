"""What the tools say to each mistake of tools/benchmarks/bad_input_cases/: short, right, and no stack trace."""
import sys
import tempfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / 'tools' / 'benchmarks'
sys.path.insert(0, str(FOLDER))
import bad_inputs  # noqa: E402

CASES = [(group, case) for group in bad_inputs.GROUPS for case in bad_inputs.cases_of(group)]
# One function has --debug for all tools: it is tried once for each tool in each group, at its first case.
TRACED: dict = {}
for group, case in CASES:
    if not case.argparse and not case.command.startswith('dist_'):
        TRACED.setdefault((group, case.command.split()[0]), case)


@pytest.fixture(scope='module')
def first():
    """Data, config and a trained run; not below pytest's folders, which only their owner may enter."""
    with tempfile.TemporaryDirectory() as folder:
        yield bad_inputs.start(Path(folder))


def test_there_are_cases_of_every_group():
    assert len(CASES) >= 45 and len({(group, case.wrong) for group, case in CASES}) == len(CASES)
    assert sum(case.common for _, case in CASES) >= 20


@pytest.mark.parametrize('case', [pytest.param(case, id=f'{group}: {case.wrong}') for group, case in CASES])
def test_answer(case, first):
    answer = bad_inputs.answer_in_copy(case, first)
    assert bad_inputs.faults_of(case, answer) == [], answer.err[-2000:]


@pytest.mark.parametrize('case', [pytest.param(case, id=f'{group}: {case.wrong}')
                                  for (group, _), case in TRACED.items()])
def test_debug_shows_the_stack_trace_too(case, first):
    answer = bad_inputs.answer_in_copy(case, first, debug=True)
    assert answer.status == 2 and 'Traceback' in answer.err
    assert all(word in answer.err for word in case.says)


def test_good_input_is_not_refused(first):
    """The same folder without a mistake, by the same way: the cases fail for their own reason."""
    from bad_input_cases.case import Case
    for command in ('train.py config.py --work-dir w', 'train.py config.py --work-dir run --resume --cfg-options '
                    'max_iters=6', 'test.py config.py run/iter_4.pth --work-dir w --tta',
                    'predict.py data/images config.py run/iter_4.pth --out-dir o --device cpu',
                    'browse_dataset.py config.py --number 2', 'print_config.py config.py --key model.backbone'):
        answer = bad_inputs.answer_in_copy(Case('nothing', command, ()), first)
        assert answer.status == 0 and answer.err == '', (command, answer.err)


def test_page_has_a_row_for_every_case():
    page = (FOLDER.parents[1] / 'docs/bad_inputs.md').read_text()
    rows = [line for line in page.splitlines() if line.startswith('| ') and not line.startswith('| What is')]
    assert len(rows) == len(CASES)
    for (_, case), line in zip(CASES, rows):
        assert case.command.replace('|', '\\|') in line and ' | 2 | ' in line


def test_answer_that_is_not_as_it_should_be_is_found():
    from bad_input_cases.case import Answer, Case
    case = Case('x', 'train.py', ('key',), limit=2)
    good = Answer(2, 'error: key\n', '', 0.1)
    assert bad_inputs.faults_of(case, good) == []
    for bad in (good._replace(status=1), good._replace(err='error: k\n'), good._replace(err='key\n' * 5),
                good._replace(err='Traceback key'), good._replace(seconds=3), good._replace(err='')):
        assert bad_inputs.faults_of(case, bad)
