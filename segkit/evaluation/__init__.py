"""Scores: how well predicted label maps fit true ones."""
from segkit.evaluation.iou_metric import IoUMetric
from segkit.evaluation.report import Report, WorstImage

__all__ = ['IoUMetric', 'Report', 'WorstImage']
