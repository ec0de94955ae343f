"""benchmark.py: durations by a clock that the test turns, and what is said of them."""
import json

import pytest
import torch

from segkit.apis import benchmark, latency
from segkit.apis.cli import run


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until ``clock.now`` is changed; the process gets ``clock.share`` of its core."""
    class Clock:
        now, share = 100.0, 1.0
    monkeypatch.setattr(latency.time, 'perf_counter', lambda: Clock.now)
    monkeypatch.setattr(latency.time, 'process_time', lambda: Clock.now * Clock.share)
    monkeypatch.setattr(latency.torch, 'get_num_threads', lambda: 1)
    return Clock


class Slow(torch.nn.Module):
    """Takes the next duration for each prediction."""

    def __init__(self, clock, durations):
        super().__init__()
        self.clock, self.durations = clock, iter(durations)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def predict(self, inputs):
        self.clock.now += next(self.durations)

    def test_step(self, batch):
        self.predict(batch)


def test_network(clock):
    timing = latency.time_network(Slow(clock, [3.0, 1.0, 2.0, 6.0]), torch.zeros(2, 3, 4, 4), 4)
    assert timing.facts() == dict(median_ms=2500, min_ms=1000, max_ms=6000, images_per_second=8 / 12, batches=4,
                                  core_share=1.0)
    assert str(timing) == 'median 2,500.0 ms (1,000.0 to 6,000.0) a batch, 0.67 images/s, 4 batches'


def test_a_busy_machine_is_said(clock, monkeypatch):
    clock.share = 0.25
    timing = latency.time_network(Slow(clock, [3.0, 1.0]), torch.zeros(1, 3, 4, 4), 2)
    assert timing.facts()['core_share'] == 0.25
    assert str(latency.joined([timing, timing])).endswith('others used the machine: 25% of a core was left')
    monkeypatch.setattr(latency.torch, 'get_num_threads', lambda: 2)
    assert latency.time_network(Slow(clock, [3.0]), torch.zeros(1, 3, 4, 4), 1).worked is None


def test_a_round_ends(clock):
    timing = latency.time_network(Slow(clock, [20.0] * 9), torch.zeros(1, 3, 4, 4), 50)
    assert len(timing.seconds) == latency.LEAST
    timing = latency.time_network(Slow(clock, [4.0] * 20), torch.zeros(1, 3, 4, 4), 50)
    assert len(timing.seconds) == 8  # the one that began before half a minute was over is the last


def test_warm_up_ends(clock):
    slow = Slow(clock, [15.0] * 9)
    assert latency.warm_up(lambda: slow.predict(None), torch.device('cpu')) == 15.0 and clock.now == 130
    quick = Slow(clock, [1.0] * 9)
    latency.warm_up(lambda: quick.predict(None), torch.device('cpu'))
    assert clock.now == 130 + latency.WARM_UP


def test_with_data(clock, monkeypatch):
    def batches(loader):
        for images in (2, 2, 0, 2, 1):
            clock.now += 0.5
            yield dict(data_samples=[None] * images) if images else None
    monkeypatch.setattr(latency, 'one_pass', batches)
    timing = latency.time_with_data(Slow(clock, [9.0, 1.0, 2.0, 1.5]), None, 10)
    # the first batch, during which loader processes start, does not count; one was skipped
    assert timing.seconds == [1.5, 3.0, 2.0] and timing.images == 5
    assert timing.waiting == 0.5 + 1.0 + 0.5
    assert timing.facts()['waiting_share'] == pytest.approx(2 / 6.5) and '31% of it waiting' in str(timing)


def test_rounds_are_joined():
    one = latency.joined([latency.Timing([1.0, 2.0], 2), latency.Timing([3.0], 1)])
    assert one.seconds == [1, 2, 3] and one.images == 3 and one.waiting is None
    assert latency.joined([latency.Timing([1.0], 1, 0.25), latency.Timing([1.0], 1, 0.5)]).waiting == 0.75


@pytest.mark.parametrize('amp', [False, True])
def test_precision_and_memory_format_are_the_ones_said(amp):
    seen = []

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = torch.nn.Conv2d(3, 4, 3)

        def forward(self, x):
            out = self.backbone(x)
            seen.append((out.dtype, out.is_contiguous(memory_format=torch.channels_last), out.requires_grad))

    net = Net()
    with latency.prepared(net, amp, channels_last=amp):
        net(torch.zeros(1, 3, 8, 8))
    net(torch.zeros(1, 3, 8, 8).contiguous())
    assert seen[0] == (torch.bfloat16 if amp else torch.float32, amp, False) and seen[1][0] == torch.float32
    assert not net.backbone._forward_pre_hooks


def test_json_of_a_whole_run(trained_once, capsys):
    config, checkpoint = trained_once
    capsys.readouterr()
    benchmark.main([str(config), str(checkpoint), '--number', '2', '--repeat-times', '2', '--batch-size', '2',
                    '--shape', '32', '48', '--amp', '--channels-last', '--device', 'cpu', '--json'])
    out, err = capsys.readouterr()
    facts = json.loads(out)
    assert facts['shape'] == [2, 3, 32, 48] and facts['precision'] == 'bfloat16' and facts['device'] == 'cpu'
    assert facts['threads'] == torch.get_num_threads() and facts['checkpoint'] == str(checkpoint)
    assert [one['batches'] for one in facts['network_rounds']] == [2, 2] and facts['network']['batches'] == 4
    assert facts['data']['batches'] == 4 and 'with data, 5 images, 2 at once' in err
    assert 0 < facts['network']['min_ms'] <= facts['network']['median_ms'] <= facts['network']['max_ms']


def test_without_checkpoint_and_data(tiny_config, tmp_path, capsys):
    (tmp_path / 'data/JPEGImages').rename(tmp_path / 'data/elsewhere')
    benchmark.main([str(tiny_config), '--number', '1', '--device', 'cpu'])
    out = capsys.readouterr().out
    assert 'random weights' in out and 'with data: not timed. The folder does not exist' in out
    assert '1x3x32x32 (N x C x H x W), mode whole' in out


@pytest.mark.parametrize('options, word', [
    (['--repeat-times', '0'], '--repeat-times'), (['--number', '0'], '--number'), (['--device', 'gpu'], '--device'),
    (['--shape', '1', '2', '3'], '--shape'), (['--batch-size', '-1'], '--batch-size'),
    (['--cfg-options', 'max_iters=2'], 'max_iters')])
def test_mistakes(tiny_config_once, capsys, options, word):
    with pytest.raises(SystemExit) as left:
        run(benchmark.main, [str(tiny_config_once), *options])
    assert left.value.code == 2 and word in capsys.readouterr().err
