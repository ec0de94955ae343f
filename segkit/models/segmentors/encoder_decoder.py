"""The segmentor: one backbone, one decode head, any number of auxiliary heads."""
from contextlib import contextmanager
from typing import Callable, Iterator, Optional, Sequence, Union

import torch
from mmengine.dist import get_world_size
from mmengine.model import BaseModel
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segkit import ops
from segkit.errors import ConfigError, DataError, refuse_signature, refuse_uncalled
from segkit.models.layers.sync_batch_norm import SyncBatchNorm
from segkit.models.segmentors.original_size import at_original
from segkit.models.segmentors.part_configs import backbone_config, head_config
from segkit.models.segmentors.prediction_settings import DEFAULTS as TEST_DEFAULTS
from segkit.models.segmentors.prediction_settings import checked_test_cfg
from segkit.models.segmentors.refinement import as_probabilities, refined_classes
from segkit.models.segmentors.sliding_window import slide
from segkit.registry import BACKBONES, DECODE_HEADS, MODELS, POSTPROCESSORS
from segkit.structures import SegDataSample

SCORES = 'Write original_logits(inputs, data_samples), which gives the scores of each image at its original size.'
LOSS = 'Write loss(inputs, data_samples, labels) -> dict; labels are (N, H, W).'
UNCALLED = dict(
    extract_feat='self.backbone(inputs) gives the feature maps: put the change into a backbone of its own.',
    encode_decode=SCORES, whole_inference=SCORES, slide_inference=SCORES, inference=SCORES, aug_test=SCORES,
    postprocess_result='Write write_prediction(sample, logits, classes).',
    _decode_head_forward_train=LOSS, _auxiliary_head_forward_train=LOSS, forward_train=LOSS, simple_test=SCORES,
    _forward='Write forward(inputs, data_samples, labels, mode).',
    _init_decode_head='Write __init__.', _init_auxiliary_head='Write __init__.')


@MODELS.register_module()
class EncoderDecoder(BaseModel):
    """A backbone and the heads on its feature maps.

    Reference:
        MMSegmentation's segmentor of the same name: its config keys, its log names, its predictions. Here facts
        that several parts share stand once, in the segmentor.

    Args:
        backbone: Config of the backbone.
        decode_head: Config of the head that predicts.
        neck: Only None.
        auxiliary_head: Config of a head that only trains, or a list of them.
        train_cfg: Only None or empty.
        test_cfg: dict of ``mode`` ('whole' or 'slide'), with 'slide' ``crop_size`` and ``stride``, both (h, w) in
            pixels; ``output_stride`` to predict at another stride than that of training, with the same weights,
            and then ``dilations`` where the decode head's config has its own; ``keep_logits``, whether predictions
            carry their scores; ``crf``, the config of a post-processing step such as DenseCRF, which decides the
            classes from the probabilities at the photo's own size (the scores that are kept are the network's).
        data_preprocessor: Config of the preprocessor, or the module.
        pretrained: Checkpoint of the backbone's weights; an older way to say ``backbone.init_cfg``.
        init_cfg: Initialisation of the whole.
        num_classes, norm_cfg, norm_eval, align_corners, ignore_index: Told to the parts that have no such key of
            their own. Batch norm is frozen by ``norm_eval=True`` (it uses its running statistics and leaves them)
            together with ``norm_cfg.requires_grad=False`` (its factors do not learn).

    Shape:
        inputs (N, 3, H, W) -> 'tensor': (N, K, h, w); 'loss': scalars; 'predict': N samples.

    Raises:
        ConfigError: If the parts do not fit each other.
    """

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        refuse_uncalled(cls, UNCALLED, ('original_logits',))
        refuse_signature(cls, 'loss', ('inputs', 'data_samples', 'labels'), LOSS)
        refuse_signature(cls, 'predict', ('inputs', 'data_samples'), SCORES)

    crf: Optional[Callable[[Tensor, Tensor], Tensor]] = None  # what post-processes probabilities
    DICT_KEYS = dict(train_cfg=(), test_cfg=tuple(TEST_DEFAULTS))  # what load_config lets these dicts hold

    def __init__(self,
                 backbone: dict,
                 decode_head: dict,
                 neck: Optional[dict] = None,
                 auxiliary_head: Union[None, dict, list] = None,
                 train_cfg: Optional[dict] = None,
                 test_cfg: Optional[dict] = None,
                 data_preprocessor: Union[None, dict, nn.Module] = None,
                 pretrained: Optional[str] = None,
                 init_cfg: Union[None, dict, list] = None,
                 num_classes: Optional[int] = None,
                 norm_cfg: Optional[dict] = None,
                 align_corners: Optional[bool] = None,
                 ignore_index: Optional[int] = None,
                 norm_eval: Optional[bool] = None) -> None:
        if isinstance(data_preprocessor, dict):
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if neck is not None:
            raise ConfigError(f"model.neck: segkit has no necks, and {neck.get('type', neck)!r} cannot be used; set "
                              'neck=None.')
        if train_cfg:
            raise ConfigError(f'model.train_cfg takes no keys; got {dict(train_cfg)}.')
        shared = dict(num_classes=num_classes, norm_cfg=norm_cfg, norm_eval=norm_eval, align_corners=align_corners,
                      ignore_index=ignore_index)
        self.backbone = BACKBONES.build(backbone_config(backbone, shared, pretrained))
        self.decode_head = self._build_head(decode_head, shared, 'model.decode_head')
        if isinstance(auxiliary_head, (list, tuple)):
            self.auxiliary_head = nn.ModuleList(
                self._build_head(cfg, shared, f'model.auxiliary_head[{i}]') for i, cfg in enumerate(auxiliary_head))
        elif auxiliary_head is not None:
            self.auxiliary_head = self._build_head(auxiliary_head, shared, 'model.auxiliary_head')
        self.num_classes = self.decode_head.num_classes
        self.out_channels = self.decode_head.out_channels
        self.align_corners = self.decode_head.align_corners
        self.test_cfg = checked_test_cfg(
            test_cfg, self.backbone, self.decode_head, own_dilations=decode_head.get('dilations') is not None)
        if self.test_cfg['crf'] is not None:
            self.crf = POSTPROCESSORS.build(self.test_cfg['crf'])
        self._check_agreement()

    def _build_head(self, cfg: dict, shared: dict, place: str) -> nn.Module:
        cfg = head_config(cfg, shared, self.backbone, place)
        try:
            return DECODE_HEADS.build(cfg)
        except ConfigError as error:
            raise type(error)(f'{place}: {error}') from None

    def _check_agreement(self) -> None:
        for key in ('num_classes', 'ignore_index'):
            values = {place: getattr(head, key) for place, _, head in self._heads()}
            if len(set(values.values())) > 1:
                raise ConfigError(f'The heads learn from the same labels, but {key} differs: '
                                  + ', '.join(f'{place}.{key}={value}' for place, value in values.items())
                                  + f'.\nSet model.{key} once and leave it out of the heads.')
        padding = getattr(self.data_preprocessor, 'seg_pad_val', self.decode_head.ignore_index)
        if padding != self.decode_head.ignore_index:
            raise ConfigError(f'data_preprocessor.seg_pad_val={padding} fills the padded labels; model.decode_head '
                              f'would take it for a class, as its ignore_index is {self.decode_head.ignore_index}.\n'
                              'Give both the same value.')

    def _heads(self) -> Iterator[tuple[str, str, nn.Module]]:
        """Config key, name in the log, and module of each head."""
        yield 'model.decode_head', 'decode', self.decode_head
        auxiliary = getattr(self, 'auxiliary_head', None)
        if isinstance(auxiliary, nn.ModuleList):
            for i, head in enumerate(auxiliary):
                yield f'model.auxiliary_head[{i}]', f'aux_{i}', head
        elif auxiliary is not None:
            yield 'model.auxiliary_head', 'aux', auxiliary

    @property
    def log_accuracy(self) -> bool:
        """Whether the losses come with each head's pixel accuracy."""
        return self.decode_head.log_accuracy

    @log_accuracy.setter
    def log_accuracy(self, value: bool) -> None:
        for _, _, head in self._heads():
            head.log_accuracy = value

    def forward(self, inputs: Tensor, data_samples: Optional[list] = None, labels: Optional[Tensor] = None,
                mode: str = 'tensor') -> Union[Tensor, dict, list]:
        """Run the network.

        Args:
            inputs: (N, 3, H, W) float.
            data_samples: N samples; their ``img_shape``, ``ori_shape`` and ``flip`` lead back to the photo.
            labels: (N, H, W) int64, for 'loss'; taken out of the samples where not given.
            mode: 'tensor', 'loss' or 'predict'.

        Returns:
            'tensor': scores (N, K, h, w) at the head's size; 'loss': dict of scalars; 'predict': the samples.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples, labels)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        return self.scores(inputs, [self.decode_head])[0]

    def scores(self, inputs: Tensor, heads: Sequence[nn.Module]) -> list[Tensor]:
        """Scores (N, K, h, w) of each of the heads, at the head's size, for a batch (N, 3, H, W)."""
        feats = self.backbone(inputs)
        return [head(feats) for head in heads]

    def loss(self, inputs: Tensor, data_samples: Optional[list] = None, labels: Optional[Tensor] = None) -> dict:
        """The losses of every head, such as 'decode.loss_ce' and 'aux.loss_ce', and the logged accuracies.

        Args:
            inputs: (N, 3, H, W) float.
            data_samples: N samples with ``gt_sem_seg`` (1, H, W); read only where there are no labels.
            labels: (N, H, W) int64.

        Raises:
            ConfigError: If the batch is too small for a head's batch norm.
        """
        if labels is None:
            labels = torch.cat([sample.gt_sem_seg.data for sample in data_samples]).long()
        self.check_batch_size(len(inputs))
        return self.losses_of(inputs, labels)

    def losses_of(self, inputs: Tensor, labels: Tensor) -> dict:
        """The same for a batch (N, 3, H, W) and its labels (N, H, W)."""
        feats = self.backbone(inputs)
        return {f'{name}.{key}': value for _, name, head in self._heads()
                for key, value in head.loss(feats, labels).items()}

    def check_batch_size(self, batch_size: int) -> None:
        """Refuse a batch of a process that is too small for a head's batch norm, in training mode.

        Raises:
            ConfigError: Naming the head, and what can be done.
        """
        if batch_size > 1:
            return
        for place, _, head in self._heads():
            if any(map(_sees_one_image, head.single_value_norms())):
                raise ConfigError(
                    f'{place}: the batch norm behind its image pool needs two values, and train_dataloader.batch_size '
                    'gives it one image.\nUse batch_size>=2, or norm_cfg.type=SyncBN on several processes, or '
                    f"{place}.norm_eval=True,\nor {place}.norm_cfg=dict(type='GN', num_groups=32).")

    def predict(self, inputs: Tensor, data_samples: Optional[list] = None) -> list:
        """Write ``pred_sem_seg`` (1, H, W) at the original size into each sample.

        Args:
            inputs: (N, 3, H, W) float.
            data_samples: N samples; new ones where there are none.
        """
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        for sample, logits in zip(data_samples, self.original_logits(inputs, data_samples)):
            self.write_prediction(sample, logits, self.classes_of(sample, logits))
        return data_samples

    def classes_of(self, sample: SegDataSample, logits: Tensor) -> Tensor:
        """The class of each pixel (H, W) by scores (K, H, W) at the original size, post-processed where asked for."""
        if self.crf is None:
            return ops.predicted_classes(logits, self.decode_head.threshold)
        return self.refined_classes(sample, self.probabilities(logits))

    def refined_classes(self, sample: SegDataSample, probabilities: Tensor) -> Tensor:
        """The class of each pixel (H, W) by ``crf`` from probabilities (K, H, W) and the sample's photo."""
        return refined_classes(self.crf, sample, probabilities, self.decode_head.threshold)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of the classes, summing to 1, from scores (K, H, W); (2, H, W) for a head of one channel."""
        return as_probabilities(logits)

    def predict_with_losses(self, inputs: Tensor, data_samples: list) -> tuple[list, dict[str, Tensor]]:
        """Predict, and compute the losses of every head on what is predicted from, in one run of the network.

        A loss is that of one image, between its scores at the original size and its labels. For an image that was not
        resized or padded it is what ``loss`` gives for a batch of that image in evaluation mode.

        Args:
            inputs: (N, 3, H, W) float.
            data_samples: N samples with ``gt_sem_seg`` (1, h, w) at the original size.

        Returns:
            The samples with their predictions, and (N,) for each loss, such as 'decode.loss_ce'.

        Raises:
            DataError: If a sample has no labels.
        """
        heads = list(self._heads())
        parts = self._input_logits(inputs, [head for _, _, head in heads])
        losses: dict[str, list] = {}
        for index, sample in enumerate(data_samples):
            labels = _labels_of(sample).to(inputs.device)
            for (_, name, head), logits in zip(heads, parts):
                logits = at_original(logits[index:index + 1], inputs.shape[-2:], sample, head.align_corners)
                if head is self.decode_head:
                    self.write_prediction(sample, logits[0], self.classes_of(sample, logits[0]))
                for key, value in head.losses_only(logits, labels).items():
                    losses.setdefault(f'{name}.{key}', []).append(value)
        return data_samples, {name: torch.stack(values) for name, values in losses.items()}

    def write_prediction(self, sample: SegDataSample, logits: Tensor, classes: Tensor) -> None:
        """Put classes (H, W), and with ``test_cfg.keep_logits`` the scores (K, H, W), into a sample."""
        if self.num_classes <= 255:
            classes = classes.to(torch.uint8)
        sample.pred_sem_seg = PixelData(data=classes[None])
        if self.test_cfg['keep_logits']:
            sample.seg_logits = PixelData(data=logits)

    def predict_logits(self, inputs: Tensor, data_samples: Optional[list] = None) -> list[Tensor]:
        """The scores of each image, (K, H, W), at its original size, unflipped and without padding."""
        return list(self.original_logits(inputs, data_samples or [SegDataSample() for _ in inputs]))

    def original_logits(self, inputs: Tensor, data_samples: list) -> Iterator[Tensor]:
        """The same, one image after the other, each resized when it is asked for.

        Raises:
            ConfigError: If the test pipeline pads, instead of the preprocessor.
        """
        logits, = self._input_logits(inputs, [self.decode_head])
        for sample, one in zip(data_samples, logits.split(1)):
            yield at_original(one, inputs.shape[-2:], sample, self.align_corners)[0]

    def _input_logits(self, inputs: Tensor, heads: list[nn.Module]) -> Sequence[Tensor]:
        """Scores (N, K, h, w) of each head: at the head's size in mode 'whole', at the input's in mode 'slide'."""
        with self.at_test_stride():
            if self.test_cfg['mode'] == 'whole':
                return self.scores(inputs, heads)

            def score(window: Tensor) -> Tensor:
                return torch.cat([ops.resize_logits(logits, window.shape[-2:], head.align_corners)
                                  for head, logits in zip(heads, self.scores(window, heads))], dim=1)

            channels = [head.out_channels for head in heads]
            return slide(score, inputs, self.test_cfg['crop_size'], self.test_cfg['stride'], sum(channels)).split(
                channels, dim=1)

    @contextmanager
    def at_test_stride(self) -> Iterator[None]:
        """Run at ``test_cfg.output_stride``; training goes on at its own."""
        stride = self.test_cfg['output_stride']
        if stride is None or stride == self.backbone.output_stride:
            yield
            return
        head, old_stride = self.decode_head, self.backbone.output_stride
        old_dilations = getattr(head, 'dilations', None)
        try:
            self.backbone.set_output_stride(stride)
            if old_dilations is not None:
                head.set_dilations(self.test_cfg['dilations'] or head.dilations_at(stride))
            yield
        finally:
            self.backbone.set_output_stride(old_stride)
            if old_dilations is not None:
                head.set_dilations(old_dilations)


def _labels_of(sample: SegDataSample) -> Tensor:
    """(1, h, w) int64."""
    if 'gt_sem_seg' not in sample:
        raise DataError(f"{sample.metainfo.get('img_path', 'An image')} has no labels, and val_cfg.val_loss=True needs "
                        'them.\nAdd LoadAnnotations to val_dataloader.dataset.pipeline, or take val_loss out.')
    return sample.gt_sem_seg.data.long()


def _sees_one_image(module: nn.Module) -> bool:
    """Whether a layer would take statistics over the single image of this process."""
    synchronised = isinstance(module, (SyncBatchNorm, nn.SyncBatchNorm)) and get_world_size() > 1
    return isinstance(module, _BatchNorm) and module.training and not synchronised
