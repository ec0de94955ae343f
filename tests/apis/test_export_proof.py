"""What the comparison of a file with its network lets pass."""
import pytest
import torch

from segkit.apis import export, exportable
from segkit.apis.export_proof import Row, _largest
from segkit.errors import CheckpointError

NAN = float('nan')
FINE = dict(name='a.jpg', photo=(9, 9), seen=(9, 9), difference=2e-5, lowest=-4., highest=9., agreement=1.,
            found=[0, 1])


@pytest.mark.parametrize('holds, values', [
    (True, dict()), (True, dict(difference=0.0129)), (False, dict(difference=0.0131)), (False, dict(difference=NAN)),
    (False, dict(difference=float('inf'), highest=float('inf'))),
    (True, dict(lowest=0., highest=0.2, difference=9e-4)), (False, dict(lowest=0., highest=0.2, difference=1.1e-3)),
    (True, dict(agreement=0.999)), (False, dict(agreement=0.9989)), (False, dict(agreement=NAN)),
    (True, dict(inside=0.999)), (False, dict(inside=0.9989)), (False, dict(inside=NAN)),
    (True, dict(inside=1., probability=9e-4)), (False, dict(inside=1., probability=1.1e-3)),
    (False, dict(inside=1., probability=NAN))])
def test_what_holds(holds, values):
    assert Row(**{**FINE, **values}).holds is holds


def test_a_score_that_is_no_number_is_not_passed_over():
    assert _largest([torch.tensor([1., 3.]), torch.tensor([2.])]) == 3
    for tensors in ([1., NAN], [NAN, 1.]):
        assert _largest(map(torch.tensor, tensors)) != _largest(map(torch.tensor, tensors))


@pytest.mark.parametrize('factor', [-1, 3])
def test_a_file_that_disagrees_is_not_kept(network, tmp_path, monkeypatch, factor):
    """Scores three times as large have the same classes."""
    checkpoint, photos = network
    (tmp_path / 'a.pt2').write_text('what was there')
    true_graph = exportable.graph_of

    def other(net):
        with torch.no_grad():
            net.model.decode_head.conv_seg.weight.mul_(factor)
            net.model.decode_head.conv_seg.bias.mul_(factor)
        return true_graph(net)

    monkeypatch.setattr(exportable, 'graph_of', other)
    with pytest.raises(CheckpointError, match='disagrees with the network, and is not kept: im01.jpg') as error:
        export.main([str(checkpoint), '--out', str(tmp_path / 'a.pt2'), '--size', '48', '64', '--images',
                     str(photos / 'im01.jpg')])
    assert ('agreement 100.0000%' in str(error.value)) == (factor == 3)
    assert [path.name for path in tmp_path.iterdir()] == ['a.pt2']
    assert (tmp_path / 'a.pt2').read_text() == 'what was there'
