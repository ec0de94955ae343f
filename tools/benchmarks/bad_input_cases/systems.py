"""Mistakes with the parts of the source systems: phases, several sizes, their heads and data."""
from bad_input_cases.case import Case
from bad_input_cases.configs import TRAIN, more

MSC = "model['type'] = 'MultiScaleEncoderDecoder'\ndel model['auxiliary_head']\n"
V2 = "model['decode_head'] = dict(_delete_=True, type='DeepLabV2Head', in_index=3"
SCALE = "train_dataloader['dataset']['pipeline'].insert(2, dict(type='RandomScale', "
COCO = ("model['num_classes'] = 21\nval_dataloader = val_cfg = val_evaluator = None\n"
        "train_dataloader['dataset'] = dict(type='COCOVOCDataset', data_root='data', ann_file='instances.json', "
        "data_prefix=dict(img_path='images'), pipeline=train_dataloader['dataset']['pipeline']")

CASES = [
    Case('second phase before the first', TRAIN,
         ('load_from: work_dirs/phase1 does not exist', 'Train that one first', 'load_from=FILE'),
         more("load_from = 'work_dirs/phase1'")),
    Case('load_from a folder without a checkpoint', TRAIN, ('load_from: no checkpoint in data', 'Train that run first'),
         more("load_from = 'data'")),
    Case('second phase resumed before it ran', f'{TRAIN} --resume', ('--resume', 'no checkpoint in w'),
         more("load_from = 'run'")),
    Case('text for the switch that freezes batch norm', TRAIN, ('model.norm_eval', 'True or False', "'yes'"),
         more("model['norm_eval'] = 'yes'")),
    Case('sizes of an image that are no list', TRAIN, ('model.scales', '0.5'), more(MSC + "model['scales'] = 0.5")),
    Case('size of an image of which nothing is left', TRAIN, ('model.scales', '0.001'),
         more(MSC + "model['scales'] = (0.001,)")),
    Case('misspelt way to shrink labels', TRAIN, ('model.scale_labels', "'corner_aligned'", "'corner-aligned'"),
         more(MSC + "model['scale_labels'] = 'corner_aligned'")),
    Case('channels for a head that has none', TRAIN, ('model.decode_head.channels', 'DeepLabV2Head'),
         more(V2 + ', channels=256)')),
    Case('one rate for a head of several', TRAIN, ('model.decode_head.dilations', 'list', '12'),
         more(V2 + ', dilations=12)')),
    Case('rates of ASPP for Vortex pooling', TRAIN, ('VortexHead.dilations', '1, 3, 9', '(1, 6, 12, 18)'),
         more("model['decode_head'] = dict(_delete_=True, type='VortexHead', in_index=3, channels=8, "
              'dilations=(1, 6, 12, 18))')),
    Case('scales in steps that miss the end', TRAIN, ('RandomScale.step=0.4', '0.5 to 2.0', '0 draws continuously'),
         more(SCALE + 'ratio_range=(0.5, 2.0), step=0.4))')),
    Case('scales from large to small', TRAIN, ('RandomScale.ratio_range', '(2, 0.5)'),
         more(SCALE + 'ratio_range=(2, 0.5)))')),
    Case('stride of the search for hard pixels that is no stride', TRAIN, ('search_stride', '0'),
         more("model['decode_head']['loss_decode'] = dict(type='OhemCrossEntropy', search_stride=0)")),
    Case('COCO without its annotations', TRAIN, ('data/instances.json',), more(COCO + ')')),
    Case('COCO with an unknown rule', TRAIN, ('rule', "'voc'", "'gluoncv'"), more(COCO + ", rule='voc')")),
]
