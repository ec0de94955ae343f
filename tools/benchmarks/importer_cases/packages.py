"""torchvision and segmentation_models_pytorch, whose networks the importer builds itself."""
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from importer_cases.case import Case


def random_norms(model: nn.Module) -> nn.Module:
    """Give a freshly built network's batch norms weights and statistics that show."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def torchvision_segmentation(name: str, path: Path, classes: int = 21, aux: bool = True) -> None:
    from torchvision.models import segmentation
    torch.manual_seed(0)
    model = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=classes, aux_loss=aux)
    torch.save(random_norms(model).state_dict(), path)


def torchvision_classifier(name: str, path: Path) -> None:
    from torchvision import models
    torch.manual_seed(0)
    torch.save(random_norms(getattr(models, name)(weights=None)).state_dict(), path)


def smp(encoder: str, path: Path, classes: int = 21) -> None:
    import segmentation_models_pytorch
    torch.manual_seed(0)
    model = segmentation_models_pytorch.DeepLabV3(encoder, encoder_weights=None, classes=classes)
    torch.save(random_norms(model).state_dict(), path)


CASES = [
    *(Case(f'torchvision `{name}`', 'torchvision', partial(torchvision_segmentation, name), 'torchvision')
      for name in ('deeplabv3_resnet50', 'deeplabv3_resnet101', 'deeplabv3_mobilenet_v3_large')),
    *(Case(f'torchvision `{name}`', 'torchvision', partial(torchvision_classifier, name), 'torchvision',
           size=(129, 193))
      for name in ('resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152', 'mobilenet_v2', 'mobilenet_v3_small',
                   'mobilenet_v3_large')),
    *(Case(f'segmentation_models_pytorch `DeepLabV3({encoder!r})`', 'smp', partial(smp, encoder),
           'segmentation_models_pytorch') for encoder in ('resnet18', 'resnet34', 'resnet50', 'resnet101')),
    Case("segmentation_models_pytorch `DeepLabV3('resnet18', classes=1)`", 'smp', partial(smp, 'resnet18', classes=1),
         'segmentation_models_pytorch', options=('--classes', 'background', 'building')),
]
