"""Files of ONNX and torch.export: what is no such file, or a device that is not there, is said."""
import importlib

import pytest
import torch

from segkit.apis import export
from segkit.apis.export_files import GPU, open_file
from segkit.errors import CheckpointError, ConfigError


def test_a_file_of_other_programs_is_refused(tmp_path, exported):
    import onnx
    model = onnx.load(exported[0])
    del model.metadata_props[:]
    onnx.save_model(model, tmp_path / 'other.onnx')
    with pytest.raises(CheckpointError, match='was not written by tools/export.py'):
        open_file(tmp_path / 'other.onnx')
    (tmp_path / 'cut.onnx').write_bytes(exported[0].read_bytes()[:5000])
    with pytest.raises(CheckpointError, match='cut.onnx cannot be read by ONNX Runtime'):
        open_file(tmp_path / 'cut.onnx')
    with pytest.raises(CheckpointError, match='No such file'):
        open_file(tmp_path / 'none.onnx')
    with pytest.raises(ConfigError, match='is an exported file; the checkpoint'):
        export.main([str(exported[0]), '--out', str(tmp_path / 'a.onnx')])


def test_a_package_that_is_missing_is_said_before_any_work(tmp_path, monkeypatch):
    true_import = importlib.import_module

    def missing(name, *rest, **more):
        if name == 'onnxscript':
            raise ModuleNotFoundError(f"No module named '{name}'")
        return true_import(name, *rest, **more)

    monkeypatch.setattr(importlib, 'import_module', missing)
    with pytest.raises(ConfigError, match='Install it: pip install onnx onnxscript onnxruntime'):
        export.main([str(tmp_path / 'none.pth'), '--out', str(tmp_path / 'a.onnx')])


@pytest.fixture
def no_cuda_libraries(monkeypatch):
    """An ONNX Runtime that is built for CUDA and runs on the CPU, without an error, as its libraries do not load."""
    import onnxruntime
    true_session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [GPU, 'CPUExecutionProvider'])
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(onnxruntime, 'InferenceSession', lambda path, options, providers: true_session(
        path, options, providers=[one for one in providers if one == 'CPUExecutionProvider']))


def test_cuda_that_was_asked_for_is_not_the_cpu(exported, no_cuda_libraries):
    for device in ('cuda', 'cuda:0'):
        with pytest.raises(ConfigError, match=f'{device} was asked for, and ONNX Runtime .* cannot use it here'):
            open_file(exported[0], device)


def test_a_fall_back_to_the_cpu_is_said(exported, no_cuda_libraries, monkeypatch):
    said = []
    monkeypatch.setattr('segkit.apis.export_files.print_log', lambda text, *args, **kwargs: said.append(text))
    open_file(exported[0])
    assert len(said) == 1 and said[0].startswith(f'{exported[0]} runs on the CPU: ONNX Runtime')
    open_file(exported[0], 'cpu')
    assert len(said) == 1
