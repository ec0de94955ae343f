"""Losses: scores at the head's size and labels at full size to one number."""
from segkit.models.losses.cross_entropy_loss import CrossEntropyLoss

__all__ = ['CrossEntropyLoss']
