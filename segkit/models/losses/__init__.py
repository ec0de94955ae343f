"""Losses: scores at the head's size and labels at full size to one number."""
from segkit.models.losses.base_loss import BaseLoss
from segkit.models.losses.cross_entropy_loss import CrossEntropyLoss
from segkit.models.losses.dice_loss import DiceLoss
from segkit.models.losses.focal_loss import FocalLoss
from segkit.models.losses.lovasz_loss import LovaszLoss
from segkit.models.losses.ohem_cross_entropy import OhemCrossEntropy
from segkit.models.losses.tversky_loss import TverskyLoss

__all__ = ['BaseLoss', 'CrossEntropyLoss', 'DiceLoss', 'FocalLoss', 'LovaszLoss', 'OhemCrossEntropy', 'TverskyLoss']
