"""What people type from other tools gets an answer; what is like nothing gets none."""
import pytest

from segkit.apis import predict, test, train
from segkit.apis.old_options import HERE, advice

D = 'config.py'


@pytest.mark.parametrize('tool, line, words', [
    (test, f'{D} x.pth --eval mIoU', 'val_evaluator'), (train, f'{D} --load-from x.pth', 'load_from=FILE'),
    (train, f'{D} --resume-from x.pth', 'load_from=FILE'), (train, f'{D} --auto-resume', '--resume goes on'),
    (train, f'{D} --resume x.pth', '--resume takes no path'), (train, f'--resume x.pth {D}', '--resume takes no path'),
    (train, f'{D} --no-validate', 'val_dataloader=None'), (train, f'{D} --gpus 2', 'tools/dist_train.sh CONFIG N'),
    (train, f'{D} --gpu-ids 0 1', 'CUDA_VISIBLE_DEVICES'), (train, f'{D} --options a=1', '--cfg-options does that'),
    (train, f'{D} --show-dir x', 'val_predictions.jpg'), (test, f'{D} x.pth --format-only', '--out DIR'),
    (train, f'{D} --diff-seed', 'as it is'), (test, f'{D} x.pth --aug-test', '--tta'), (train, f'{D} --fp16', '--amp'),
    (test, f'{D} x.pth --show', '--show-dir DIR'), (test, f'{D} x.pth --eval=mIoU', 'val_evaluator'),
    (predict, f'a.jpg {D} x.pth --out-dir o --show-dir x', '--out-dir DIR'),
    (train, f'{D} --works-dir w', 'Nearest: --work-dir'), (train, f'{D} --work_dir w', 'Nearest: --work-dir'),
    (train, f'{D} --work w', 'Nearest: --work-dir'),
    (train, f'{D} --cfg_options a=1', 'Nearest: --cfg-options'),
    (train, f'{D} --local_rnak 1', 'Nearest: --local-rank'),
])
def test_answer(tool, line, words, capsys):
    with pytest.raises(SystemExit) as end:
        tool.parser().parse_intermixed_args(line.split())
    err = capsys.readouterr().err
    assert end.value.code == 2 and words in err and len(err.splitlines()) <= 4, err
    assert 'Nearest' in words or 'Nearest' not in err


@pytest.mark.parametrize('line', [f'{D} --tta', f'{D} --helicopter', f'{D} --rank', f'{D} extra', f'{D} a --resume'])
def test_nothing_is_near(line, capsys):
    with pytest.raises(SystemExit):
        train.parser().parse_args(line.split())
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2 and 'Nearest' not in err and '--help lists the options' in err


def test_no_advice_is_long_or_of_an_option_that_a_tool_has():
    assert all(len(text.splitlines()) <= 2 for text in HERE.values())
    assert advice(['--seed'], [], ['--seed', '--help']) == 'Nearest: --seed'
