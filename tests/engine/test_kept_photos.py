import copy

from segkit.datasets.transforms import LoadImageFromFile
from segkit.engine.kept_photos import KEEP, keeping, with_photos

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
MODEL = dict(type='EncoderDecoder', test_cfg=dict(crf=dict(type='DenseCRF')))


def loader(*steps, **more):
    return dict(dataset=dict(type='RepeatDataset', times=1, dataset=dict(type='PascalVOCDataset',
                                                                         pipeline=list(steps))), **more)


def test_val_and_test_data_keep_photos_and_train_data_do_not():
    given = dict(model=MODEL, train_dataloader=loader(LOAD, PACK), val_dataloader=loader(LOAD, PACK),
                 test_dataloader=None)
    before = copy.deepcopy(given)
    made = with_photos(given)
    assert given == before and made['train_dataloader'] == before['train_dataloader']
    assert made['val_dataloader'] == loader(LOAD, KEEP, PACK) and made['test_dataloader'] is None


def test_around_a_network_of_test_time_augmentation():
    several = dict(type='TestTimeAug', transforms=[[PACK]])
    given = dict(model=dict(type='SegTTAModel', module=MODEL), test_dataloader=loader(LOAD, several))
    assert with_photos(given)['test_dataloader'] == loader(LOAD, KEEP, several)


def test_nothing_changes_without_a_crf():
    for test_cfg in (None, {}, dict(crf=None)):
        given = dict(model=dict(MODEL, test_cfg=test_cfg), val_dataloader=loader(LOAD, PACK))
        assert with_photos(given) is given
    built = dict(model=object(), val_dataloader=loader(LOAD, PACK))  # a model that is built already
    assert with_photos(built) is built


def test_pipelines():
    assert keeping([LOAD, KEEP, PACK]) == [LOAD, KEEP, PACK]
    assert keeping([PACK]) == [PACK] and keeping(None) is None
    assert keeping([dict(type='segkit.LoadImageFromFile'), PACK])[1] == KEEP
    assert keeping([dict(type=LoadImageFromFile), PACK])[1] == KEEP
    assert keeping([dict(type='LoadImageFromNDArray'), PACK])[1] == KEEP
