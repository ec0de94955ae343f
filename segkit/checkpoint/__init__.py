"""Files of weights: read without running code from them, written whole or not at all, compared key by key."""
from segkit.checkpoint.fetching import fetch
from segkit.checkpoint.reading import load_file
from segkit.checkpoint.weights import KeyReport, load_weights, state_dict_of
from segkit.checkpoint.writing import write_atomic

__all__ = ['KeyReport', 'fetch', 'load_file', 'load_weights', 'state_dict_of', 'write_atomic']
