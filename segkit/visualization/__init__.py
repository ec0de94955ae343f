"""Pictures of photos, labels, predictions and scores."""
from segkit.visualization.seg_local_visualizer import SegLocalVisualizer

__all__ = ['SegLocalVisualizer']
