"""Overrides that reach nothing of what a test or a prediction is built from are refused."""
from collections.abc import Callable

from segkit.errors import ConfigError

TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'auto_scale_lr')
VALIDATION = ('val_dataloader', 'val_cfg', 'val_evaluator')
GIVEN = ('load_from', 'resume')  # the command line says which checkpoint
TTA = ('tta_model', 'tta_pipeline')
OF_A_RUN = ('test_cfg', 'test_evaluator', 'default_hooks', 'custom_hooks', 'randomness', 'work_dir', 'visualizer',
            'log_processor', 'log_level', 'launcher', 'env_cfg')


def judge_of_test(tta: bool) -> Callable[[str, list[str], dict], None]:
    """What ``load_config`` asks about each override of test.py.

    Args:
        tta: Whether the test uses test-time augmentation.
    """

    def judge(key: str, places: list[str], values: dict) -> None:
        unused = {place for place in places if not _used(place, values, tta)}
        if len(unused) < len(places):
            return
        part = places[0].split('.')[0]
        why = f'reaches {part} only, which a test does not use'
        if part in VALIDATION:
            raise ConfigError(f'{key}: {why}.\nSet {places[0].replace("val_", "test_", 1)}')
        if part in GIVEN:
            raise ConfigError(f'{key}: a test loads the checkpoint of its command line, and resumes nothing.')
        raise ConfigError(f'{key}: {why}' + (' without --tta.' if part in TTA else '; it is a part of training.'))

    return judge


def judge_of_prediction(key: str, places: list[str], values: dict) -> None:
    """What ``load_config`` asks about each override of predict.py."""
    dropped = (*TRAINING, *GIVEN, *TTA, *OF_A_RUN, 'val_cfg', 'val_evaluator')
    parts = [place.split('.')[0] for place in places]
    if all(part in dropped or part == 'val_dataloader' and values.get('test_dataloader') is not None
           for part in parts):
        hint = '\nSet ' + places[0].replace('val_', 'test_', 1) if parts[0] == 'val_dataloader' else ''
        raise ConfigError(f'{key}: reaches {parts[0]} only, which a prediction does not use; it uses model and the '
                          f'test pipeline.{hint}')


def judge_of_network(key: str, places: list[str], values: dict) -> None:
    """What ``load_config`` asks about each override of a tool that builds the network alone."""
    if not any(place.split('.')[0] == 'model' for place in places):
        raise ConfigError(f'{key}: reaches {places[0].split(".")[0]} only, and the network is built from model alone.')


def _used(place: str, values: dict, tta: bool) -> bool:
    part = place.split('.')[0]
    if part in VALIDATION:  # a file without a test part is tested as it is validated
        return part != 'val_cfg' and values.get(part.replace('val', 'test', 1)) is None
    return part not in (*TRAINING, *GIVEN) and (tta or part not in TTA)
