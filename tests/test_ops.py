import pytest
import torch
import torch.nn.functional as F

from segkit import ops


def make(n=2, k=4, small=(5, 7), full=(18, 23), dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(n, k, *small, generator=generator, dtype=dtype)
    labels = torch.randint(0, k, (n, *full), generator=generator)
    labels[torch.rand(n, *full, generator=generator) < 0.3] = 255
    return logits, labels


@pytest.mark.parametrize('align_corners', [False, True])
def test_resize_logits(align_corners):
    # One row of two columns to four, by hand: half-pixel centres, or centres that coincide at the corners.
    wanted = [0., 1 / 3, 2 / 3, 1.] if align_corners else [0., 0.25, 0.75, 1.]
    out = ops.resize_logits(torch.tensor([[[[0., 1.]]]]), (1, 4), align_corners)
    torch.testing.assert_close(out[0, 0, 0], torch.tensor(wanted))


def test_resize_logits_leaves_the_right_size_alone():
    logits = torch.rand(1, 2, 3, 4)
    assert ops.resize_logits(logits, (3, 4)) is logits


def test_predicted_classes():
    logits = torch.tensor([[1., 0.], [3., 2.], [3., 1.]])[:, None]  # (K=3, H=1, W=2)
    assert ops.predicted_classes(logits).tolist() == [[1, 1]]  # the first of equal scores


def test_predicted_classes_of_one_channel():
    logits = torch.tensor([-1., 0., 1.])[None, None, None]  # probabilities 0.27, 0.5, 0.73
    assert ops.predicted_classes(logits, 0.3).tolist() == [[[0, 1, 1]]]
    assert ops.predicted_classes(logits, 0.6).tolist() == [[[0, 0, 1]]]


@pytest.mark.parametrize('num_classes', [3, 21, 200])
def test_confusion_matrix_against_counting(num_classes):
    generator = torch.Generator().manual_seed(1)
    label = torch.randint(0, num_classes, (40, 50), generator=generator)
    prediction = torch.randint(0, num_classes, (40, 50), generator=generator)
    label[:5] = 255 if num_classes < 255 else -1
    wanted = [[0] * num_classes for _ in range(num_classes)]
    for true, predicted in zip(label[5:].flatten().tolist(), prediction[5:].flatten().tolist()):
        wanted[true][predicted] += 1
    out = ops.confusion_matrix(prediction.to(torch.uint8), label.to(torch.uint8), num_classes)
    assert out.dtype == torch.int64 and out.tolist() == wanted


def test_confusion_matrix_by_hand():
    label = torch.tensor([[0, 0, 1], [1, 255, 255]])
    prediction = torch.tensor([[0, 1, 1], [0, 0, 1]])
    assert ops.confusion_matrix(prediction, label, 2).tolist() == [[1, 1], [1, 1]]


def test_pixel_accuracy_by_hand():
    scores = torch.zeros(1, 2, 2, 3)
    scores[0, 1, 0] = 1  # the first row is class 1, the second 0
    labels = torch.tensor([[[1, 0, 255], [0, 255, 255]]])
    assert ops.pixel_accuracy(scores, labels).item() == pytest.approx(200 / 3)
    assert ops.pixel_accuracy(scores, torch.full_like(labels, 255)).item() == 0


def test_pixel_accuracy_resizes_the_scores():
    logits, labels = make()
    full = F.interpolate(logits, size=labels.shape[-2:], mode='bilinear')
    valid = labels != 255
    wanted = 100 * (full.argmax(1) == labels)[valid].float().mean()
    torch.testing.assert_close(ops.pixel_accuracy(logits, labels), wanted)


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('weighted', [False, True])
def test_upsampled_cross_entropy_is_the_plain_one(align_corners, weighted):
    logits, labels = make()
    weight = torch.tensor([0.5, 1., 2., 0.]) if weighted else None
    plain, fused = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    full = F.interpolate(plain, size=labels.shape[-2:], mode='bilinear', align_corners=align_corners)
    wanted = F.cross_entropy(full, labels, weight=weight, ignore_index=255, reduction='sum')
    out = ops.upsampled_cross_entropy(fused, labels, weight, 255, align_corners)
    (wanted / 7).backward()
    (out / 7).backward()  # the gradient is scaled by what follows the sum
    torch.testing.assert_close(out, wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(fused.grad, plain.grad, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(ops.upsampled_cross_entropy(logits, labels, weight, 255, align_corners), wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='torch refuses operations on CUDA alone')
@pytest.mark.parametrize('weighted', [False, True])
def test_upsampled_cross_entropy_has_no_operation_that_deterministic_runs_refuse(weighted):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 9, 7, generator=generator).cuda()
    labels = torch.randint(0, 5, (2, 40, 30), generator=generator).cuda()
    labels[:, :4] = 255
    weight = torch.rand(5, generator=generator).cuda() if weighted else None
    results = []
    for deterministic in (False, True, True):
        torch.use_deterministic_algorithms(deterministic)
        try:
            scores = logits.clone().requires_grad_()
            loss = ops.upsampled_cross_entropy(scores, labels, weight)
            loss.backward()
            ops.confusion_matrix(ops.predicted_classes(ops.resize_logits(scores, (40, 30))), labels, 5)
        finally:
            torch.use_deterministic_algorithms(False)
        results.append((loss.detach(), scores.grad))
    torch.testing.assert_close(results[0], results[1])
    assert all(torch.equal(a, b) for a, b in zip(results[1], results[2]))


def test_upsampled_cross_entropy_gradient_is_numerically_right():
    logits, labels = make(n=2, k=3, small=(2, 3), full=(5, 4), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ops.upsampled_cross_entropy(x, labels), logits.requires_grad_())


def test_upsampled_cross_entropy_reaches_through_a_network():
    conv = torch.nn.Conv2d(3, 4, 1)
    _, labels = make()
    ops.upsampled_cross_entropy(conv(torch.rand(2, 3, 5, 7)), labels).backward()
    assert conv.weight.grad.abs().sum() > 0


def test_upsampled_cross_entropy_keeps_half_precision_scores():
    logits, labels = make()
    half = logits.bfloat16().requires_grad_()
    full = half.detach().float().requires_grad_()
    out, wanted = ops.upsampled_cross_entropy(half, labels), ops.upsampled_cross_entropy(full, labels)
    out.backward()
    wanted.backward()
    assert out.dtype == torch.float32 and half.grad.dtype == torch.bfloat16
    torch.testing.assert_close(out, wanted)
    torch.testing.assert_close(half.grad.float(), full.grad, rtol=1e-2, atol=1e-3)


def test_upsampled_cross_entropy_without_a_valid_pixel():
    logits, labels = make()
    logits.requires_grad_()
    loss = ops.upsampled_cross_entropy(logits, torch.full_like(labels, 255))
    loss.backward()
    assert loss.item() == 0 and logits.grad.abs().sum() == 0


def test_mean_over_ranks_in_one_process():
    assert ops.mean_over_ranks(torch.tensor(3.)).item() == 3
