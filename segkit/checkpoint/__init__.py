"""Files of weights: read without running code from them, written whole or not at all, compared key by key."""
from segkit.checkpoint.fetching import fetch
from segkit.checkpoint.integrity import hash_file, move, remove
from segkit.checkpoint.reading import load_file, verify
from segkit.checkpoint.safetensors_file import weights_equal
from segkit.checkpoint.trust import trusting, trusts
from segkit.checkpoint.weights import KeyReport, compare, load_weights, state_dict_of
from segkit.checkpoint.writing import FULL, write_atomic, write_text

__all__ = ['FULL', 'KeyReport', 'compare', 'fetch', 'hash_file', 'load_file', 'load_weights', 'move', 'remove',
           'state_dict_of', 'trusting', 'trusts', 'verify', 'weights_equal', 'write_atomic', 'write_text']
