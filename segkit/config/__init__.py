"""The door: a config file and command-line overrides in, one checked config out."""
from segkit.config.load import load_config

__all__ = ['load_config']
