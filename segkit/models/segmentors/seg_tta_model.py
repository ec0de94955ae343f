"""Predictions from several views of an image."""
from typing import Callable, Iterable, Optional, Union

import torch
from mmengine.model import BaseTTAModel
from torch import Tensor, nn

from segkit.errors import ConfigError
from segkit.models.segmentors.refinement import with_background
from segkit.registry import MODELS
from segkit.structures import SegDataSample


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(dim=0) if len(logits) > 1 else logits.sigmoid()


def _shares(powers: Tensor) -> Tensor:
    return powers / (powers.sum(dim=0) if len(powers) > 1 else 1 + powers)


# What is averaged over the views, and how the mean becomes a probability; both (K, H, W) -> (K, H, W).
FUSIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    'prob': (_probabilities, lambda mean: mean),
    'logit': (lambda logits: logits, _probabilities),
    'exp': (torch.exp, _shares),
}


@MODELS.register_module()
class SegTTAModel(BaseTTAModel):
    """Predict each image from several views of it, such as other scales and the mirror image.

    Reference:
        DeepLabV3 (arXiv 1706.05587), section 4.1, averages probabilities, and so does MMSegmentation ('prob').
        pytorch-segmentation-toolbox averages scores ('logit'). GluonCV averages unnormalised exponentials
        ('exp'), there of the sum of an image's and its mirror image's scores. One running sum is kept, not the
        scores of all the views. It is MMEngine's BaseTTAModel for the sake of checkpoints, which MMEngine loads
        into its ``module``.

    Args:
        module: The segmentor, or its config.
        fusion: What is averaged over the views: 'prob', 'logit' or 'exp'.
        data_preprocessor: Config of the preprocessor, for a ``module`` that is a config without one.

    Shape:
        views of N images each -> N samples with ``pred_sem_seg`` (1, H, W).

    Raises:
        ConfigError: If the fusion is unknown.
    """

    def __init__(self, module: Union[dict, nn.Module], fusion: str = 'prob',
                 data_preprocessor: Optional[dict] = None) -> None:
        if fusion not in FUSIONS:
            raise ConfigError(f"tta_model.fusion must be 'prob', 'logit' or 'exp', not {fusion!r}.")
        if isinstance(module, dict):
            module = MODELS.build(module, default_args=dict(data_preprocessor=data_preprocessor))
        super().__init__(module)
        self.fusion = fusion

    def test_step(self, data: dict) -> list:
        """Predict a batch of what TestTimeAug made.

        Args:
            data: ``inputs``, a list over the views of batches, and ``data_samples``, a list over the views of lists
                of N samples.

        Returns:
            The first view's N samples, with their predictions.
        """
        views = (dict(inputs=inputs, data_samples=samples)
                 for inputs, samples in zip(data['inputs'], data['data_samples']))
        return self.merge_preds(self.module.data_preprocessor(view, False) for view in views)

    def merge_preds(self, views: Iterable[dict]) -> list:
        """Predict from views that went through the preprocessor; taken one after the other.

        Args:
            views: dicts of ``inputs`` (N, 3, H, W) and ``data_samples``, N samples.

        Returns:
            The first view's N samples, with their predictions; with ``test_cfg.keep_logits`` also with the means.
        """
        to_summand, _ = FUSIONS[self.fusion]
        sums, samples, count = [], [], 0
        for count, view in enumerate(views, start=1):
            summands = map(to_summand, self.module.original_logits(view['inputs'], view['data_samples']))
            if count == 1:
                samples, sums = view['data_samples'], [summand.clone() for summand in summands]
            else:
                for total, summand in zip(sums, summands):
                    total += summand
        for sample, total in zip(samples, sums):
            self.write_mean(sample, total / count)
        return samples

    def write_mean(self, sample: SegDataSample, mean: Tensor) -> None:
        """Put the prediction of a mean over the views, (K, H, W), into a sample."""
        if getattr(self.module, 'crf', None) is not None:  # only an EncoderDecoder has one
            classes = self.module.refined_classes(sample, self.probabilities(mean))
        elif len(mean) == 1:
            classes = FUSIONS[self.fusion][1](mean)[0] > self.module.decode_head.threshold
        else:
            classes = mean.max(dim=0)[1]
        self.module.write_prediction(sample, mean, classes)

    def probabilities(self, mean: Tensor) -> Tensor:
        """Probabilities of the classes, summing to 1, from a mean (K, H, W); (2, H, W) for a head of one channel."""
        return with_background(FUSIONS[self.fusion][1](mean))
