"""A trained tiny model."""
import pytest


@pytest.fixture
def trained(tiny_config, tmp_path):
    """(config file, checkpoint) after a few iterations, and nothing printed of them."""
    from segkit.apis import train
    train.main([str(tiny_config), '--work-dir', str(tmp_path / 'run'), '--cfg-options', 'train_cfg.max_iters=3'])
    return tiny_config, tmp_path / 'run' / 'iter_3.pth'


@pytest.fixture(scope='session')
def trained_once(tiny_config_once):
    """The same, made once, for tests that only read it."""
    from segkit.apis import train
    folder = tiny_config_once.parent / 'run'
    train.main([str(tiny_config_once), '--work-dir', str(folder), '--cfg-options', 'train_cfg.max_iters=3'])
    return tiny_config_once, folder / 'iter_3.pth'


@pytest.fixture(scope='session')
def network(trained_once, tmp_path_factory):
    """(checkpoint, folder of photos) of the tiny network with scores that differ from pixel to pixel."""
    import torch

    from segkit.checkpoint import load_file, write_atomic
    config, checkpoint = trained_once
    content = load_file(checkpoint)
    for key, value in content['state_dict'].items():
        if key == 'decode_head.conv_seg.weight':
            value.normal_(generator=torch.Generator().manual_seed(0))
        elif key.endswith('bn.weight'):
            value.mul_(2)
    path = tmp_path_factory.mktemp('network') / 'spread.pth'
    write_atomic(content, path)
    return path, config.parent / 'data/JPEGImages'


@pytest.fixture(scope='session')
def exported(network, tmp_path_factory):
    """The same as a file of ONNX with everything in it, and what was printed."""
    from contextlib import redirect_stdout
    from io import StringIO

    from segkit.apis import export
    checkpoint, photos = network
    path, said = tmp_path_factory.mktemp('exported') / 'tiny.onnx', StringIO()
    with redirect_stdout(said):
        export.main([str(checkpoint), '--out', str(path), '--with-preprocess', '--with-postprocess', '--images',
                     str(photos), '--num-images', '3'])
    return path, said.getvalue()


def _scene(rng, height, width, values):
    """A photo (h, w, 3) of rectangles and its mask (h, w), both uint8."""
    import numpy as np
    mask = np.full((height, width), values[0], np.uint8)
    for value in values[1:]:
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        mask[top:top + height // 3, left:left + width // 3] = value
    photo = (mask[..., None] * np.array([37, 91, 53]) % 200).astype(np.uint8)
    return photo + rng.integers(0, 40, photo.shape, dtype=np.uint8), mask


@pytest.fixture
def layout(tmp_path):
    """Make a folder in the layout of 'voc', 'cityscapes' or 'ade20k', four pairs a split at the size theirs have."""
    import cv2
    import numpy as np

    def write(path, image):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)

    def make(kind):
        rng, root = np.random.default_rng(0), tmp_path / kind
        for split, name in (('train', 'training'), ('val', 'validation')):
            for i in range(4):
                if kind == 'cityscapes':
                    photo, mask = _scene(rng, 1024, 2048, [0, 1, 8, 13, 255])
                    write(root / f'leftImg8bit/{split}/ulm/ulm_{i:06d}_000019_leftImg8bit.png', photo)
                    write(root / f'gtFine/{split}/ulm/ulm_{i:06d}_000019_gtFine_labelTrainIds.png', mask)
                elif kind == 'ade20k':
                    photo, mask = _scene(rng, 512, 683, [0, 1, 5, 99, 150])
                    write(root / f'images/{name}/ADE_{split}_{i:08d}.jpg', photo)
                    write(root / f'annotations/{name}/ADE_{split}_{i:08d}.png', mask)
                else:
                    photo, mask = _scene(rng, 375, 500, [0, 7, 15, 20, 255])
                    write(root / f'JPEGImages/{split}_{i}.jpg', photo)
                    write(root / f'SegmentationClass/{split}_{i}.png', mask)
                    lists = root / 'ImageSets/Segmentation'
                    lists.mkdir(parents=True, exist_ok=True)
                    (lists / f'{split}.txt').write_text(''.join(f'{split}_{n}\n' for n in range(4)))
        return root

    return make
