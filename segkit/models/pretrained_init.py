"""The start from pretrained weights: ``init_cfg=dict(type='Pretrained', checkpoint=...)``."""
from typing import Optional

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info  # also registers MMEngine's own, which ours replaces
from mmengine.registry import WEIGHT_INITIALIZERS as MMENGINE_WEIGHT_INITIALIZERS
from torch import nn

from segkit.checkpoint import load_file, load_weights, state_dict_of
from segkit.checkpoint.layouts import STRIDE_PLACES, place_of, stride_place, with_own_stem, with_stem_bias_in_mean
from segkit.errors import CheckpointError
from segkit.registry import WEIGHT_INITIALIZERS

CLASSIFIER = ('fc.', 'head.fc.', 'layer5.conv2d_list.')  # of ImageNet, of ImageNet with mmcls, of DeepLabV2's ports


# Without a default scope MMEngine looks in its root alone, and its own class there loads whatever fits and goes on.
@MMENGINE_WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class Pretrained:
    """Copy the weights of a file into a module; every one of the module's must be there.

    Reference: MMEngine's ``Pretrained``, whose fields these are. It differs in that a difference of keys or shapes
    is an error, except for the classifier of an ImageNet model (``fc``) or of a DeepLabV2 in its PyTorch ports
    (``layer5.conv2d_list``), and for stages that the module names in its attribute ``unbuilt``.
    Weights of a ResNet that is known to have its stages' strides elsewhere are refused: they would fit, and compute
    something else.
    It knows the names that MIT and GluonCV have for the convolutions of a deep stem, and takes the bias that Caffe's
    ResNets have in their first convolution (``open-mmlab://detectron2/resnet50_caffe``) into the running mean of the
    batch norm behind it, which is the same function.

    Args:
        checkpoint: A file, an http(s) address, ``torchvision://resnet50``, ``open-mmlab://resnet50_v1c`` or
            ``mmcls://mobilenet_v2``.
        prefix: Take only the weights whose key begins so, without it; 'backbone.' takes the backbone of a
            segmentation model, and is what None means for the classifiers of ``mmcls://``; 'Scale' takes the network
            of a DeepLabV2's file such as MS_DeepLab_resnet_pretrained_COCO_init.pth.
        map_location: Where the tensors are read to, as for ``torch.load``.

    Shape:
        The weights have the shapes of the module's own.

    Raises:
        CheckpointError: When it is called, if the file cannot be had or does not fit.
    """

    def __init__(self, checkpoint: str, prefix: Optional[str] = None, map_location: str = 'cpu') -> None:
        self.checkpoint = checkpoint
        self.prefix = 'backbone.' if prefix is None and checkpoint.startswith('mmcls://') else prefix
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        try:
            content = load_file(self.checkpoint, self.map_location)
            weights = state_dict_of(content, self.checkpoint)
        except CheckpointError as error:
            text = str(error)
            raise CheckpointError(text if 'init_cfg' in text else
                                  f'{text}\nIt is named in init_cfg of {type(module).__name__}.') from error
        self._refuse_other_stride_place(module, stride_place(weights, content.get('meta'), self.checkpoint))
        if self.prefix is not None:
            prefix = self.prefix.rstrip('.') + '.'
            part = {key[len(prefix):]: value for key, value in weights.items() if key.startswith(prefix)}
            if not part:
                beginnings = sorted({key.split('.')[0] + '.' for key in weights})
                raise CheckpointError(f"{self.checkpoint} has no key that begins with '{prefix}' (init_cfg.prefix); "
                                      f"its keys begin with {', '.join(beginnings[:8])}.")
            weights = part
        own = module.state_dict()
        if 'stem.0.weight' in own:
            weights = with_own_stem(weights)
        elif 'bn1.running_mean' in own and 'conv1.bias' not in own:
            weights = with_stem_bias_in_mean(weights)
        unused = CLASSIFIER + tuple(getattr(module, 'unbuilt', ()))
        report = load_weights(module, weights, allow_unexpected=unused, source=self.checkpoint)
        print_log(f'{type(module).__name__}: {len(report.fitting)} tensors from {self.checkpoint}', 'current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'Pretrained: {self.checkpoint}')

    def _refuse_other_stride_place(self, module: nn.Module, theirs: Optional[str]) -> None:
        ours = place_of(module)
        if theirs is None or ours is None or theirs == ours:
            return
        style = 'caffe' if theirs == 'caffe' else 'pytorch'
        raise CheckpointError(
            f'{self.checkpoint} (init_cfg of {type(module).__name__}) is of a ResNet with a stage\'s stride\n'
            f'{STRIDE_PLACES[theirs]}; this one, of style={module.style!r}, has it\n{STRIDE_PLACES[ours]}. The weights '
            f"would fit, and compute something else: set model.backbone.style='{style}', or take others.")
