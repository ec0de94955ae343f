from segkit.models.layers.sync_batch_norm import SyncBatchNorm

__all__ = ['SyncBatchNorm']
