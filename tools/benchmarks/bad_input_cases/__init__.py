"""Mistakes that people make, and what the tools have to say to each; one file for each kind of them."""
import importlib

GROUPS = dict(files='Files', labels='Labels', configs='Config files', overrides='Overrides', checkpoints='Checkpoints',
              switches='Switches of a run', systems='Phases and parts of the source systems',
              command_lines='Command lines')


def cases_of(group: str) -> list:
    """The cases of a group."""
    return importlib.import_module(f'bad_input_cases.{group}').CASES
