"""TestLoop: every image once, and what it leaves out."""
import pytest


@pytest.fixture
def with_test(tiny_config, run):
    """Build a runner whose config has a test besides."""
    tiny_config.write_text(tiny_config.read_text() + 'test_dataloader, test_evaluator, test_cfg = val_dataloader, '
                           "val_evaluator, dict(type='TestLoop')\n")
    return run


def test_scores_are_those_of_a_validation(with_test):
    runner = with_test()
    assert runner.test() == runner.val()


def test_batches_without_a_sample_are_left_out(with_test):
    runner = with_test()
    loader = runner.test_loop.dataloader
    loader.collate_fn = lambda samples, join=loader.collate_fn: (
        None if samples[0]['data_samples'].img_path.endswith('im07.jpg') else join(samples))
    runner.test()
    assert runner.test_loop.evaluator.metrics[0].last_report.images == 4


def test_no_batch_at_all_is_no_crash(with_test, capsys):
    runner = with_test()
    runner.test_loop.dataloader.collate_fn = lambda samples: None
    runner.test()
    assert 'no pixel was compared' in capsys.readouterr().out


def test_half_precision_is_used(with_test):
    import torch
    runner = with_test(**{'test_cfg__fp16': True})
    seen = []
    runner.model.decode_head.register_forward_hook(lambda module, args, out: seen.append(out.dtype))
    runner.test()
    assert set(seen) == {torch.float16 if torch.cuda.is_available() else torch.bfloat16}


def test_a_test_that_names_no_type(tiny_config, run):
    from segkit.engine import TestLoop
    tiny_config.write_text(tiny_config.read_text()
                           + 'test_dataloader, test_evaluator, test_cfg = val_dataloader, val_evaluator, dict()\n')
    assert type(run().test_loop) is TestLoop
