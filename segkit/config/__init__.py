"""The door: a config file and command-line overrides in, one checked config out."""
from segkit.config.load import load_config
from segkit.config.stored import StoredConfig

__all__ = ['StoredConfig', 'load_config']
