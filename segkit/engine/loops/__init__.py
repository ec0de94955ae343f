"""Training by iterations or epochs, validation, test; importing the package registers the loops."""
from segkit.engine.loops.epoch_based_train_loop import EpochBasedTrainLoop
from segkit.engine.loops.iter_based_train_loop import IterBasedTrainLoop
from segkit.engine.loops.test_loop import TestLoop
from segkit.engine.loops.val_loop import ValLoop

__all__ = ['EpochBasedTrainLoop', 'IterBasedTrainLoop', 'TestLoop', 'ValLoop']
