"""Files of ONNX and torch.export: written with what belongs to them, and run."""
import importlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional, Union

import torch
from mmengine.logging import print_log
from torch import Tensor

from segkit.apis.own_config import EXPORTED
from segkit.checkpoint import trusts
from segkit.errors import CheckpointError, ConfigError

OPEN = ('batch', 'height', 'width')  # what the sizes are called that a file leaves open
# Texts of JSON in each file; other programs read the first three.
FACTS = ('classes', 'palette', 'preprocessing', 'segkit')
GPU = 'CUDAExecutionProvider'
ON_CPU = ['CPUExecutionProvider']


def require(packages: tuple[str, ...], why: str) -> list[Any]:
    """Import packages that only some users need.

    Raises:
        ConfigError: Naming the command that installs what is missing.
    """
    found = []
    for name in packages:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:
            raise ConfigError(f'{why} needs the package {name}, which cannot be imported here: {error}.\n'
                              f'Install it: pip install {" ".join(packages)}') from error
    return found


def require_for(kind: str) -> None:
    """Import what writing and proving a file of a kind takes, before any work.

    Raises:
        ConfigError: As :func:`require`.
    """
    if kind == 'onnx':
        require(('onnx', 'onnxscript', 'onnxruntime'), '--format onnx')


def write(graph: torch.export.ExportedProgram, kind: str, path: Path, outputs: list[str],
          facts: Mapping[str, Any]) -> None:
    """Write a file.

    Args:
        graph: Of :func:`segkit.apis.exportable.graph_of`.
        kind: 'onnx' or 'torch-export'.
        path: Where to.
        outputs: Their names, in order.
        facts: What stands in it beside the network, a value of JSON's types for each of FACTS.

    Raises:
        ConfigError: If torch cannot say the network in ONNX.
    """
    texts = {key: json.dumps(facts[key]) for key in FACTS}
    if kind == 'torch-export':
        torch.export.save(graph, path, extra_files={**texts, 'outputs': json.dumps(outputs)})
        return
    onnx, = require(('onnx',), '--format onnx')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of how the exporter is going to change
            program = torch.onnx.export(graph, (), dynamo=True, verbose=False, input_names=['image'],
                                        output_names=outputs)
    except Exception as error:  # it has many ways to fail, and its own class only for some
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
        raise ConfigError(f'torch.onnx.export cannot say this network in ONNX: {first}\n--debug shows where; --format '
                          'torch-export may hold it.') from error
    model = program.model_proto
    _name_sizes(model)
    model.doc_string = 'Semantic segmentation, exported by segkit; the metadata tell classes and preprocessing.'
    onnx.helper.set_model_props(model, texts)
    onnx.checker.check_model(model)
    onnx.save_model(model, path)


def _name_sizes(model: Any) -> None:
    """Call open sizes batch, height and width, where the exporter numbers them."""
    dims = model.graph.input[0].type.tensor_type.shape.dim
    open_ones = [dim.dim_param for dim in dims if dim.HasField('dim_param')]
    names = dict(zip(open_ones, OPEN))
    if not names:
        return
    pattern = re.compile(r'\b(' + '|'.join(map(re.escape, names)) + r')\b')
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField('dim_param'):
                dim.dim_param = pattern.sub(lambda found: names[found[1]], dim.dim_param)


class OnnxFile:
    """A file of ONNX in ONNX Runtime.

    Args:
        path: The file.
        device: 'cpu' or 'cuda:N'; None takes CUDA where ONNX Runtime and the machine have it.

    Attributes:
        facts: What stands in the file beside the network.

    Raises:
        ConfigError: If ONNX Runtime is not installed, or has not the device.
        CheckpointError: If the file cannot be read.
    """

    def __init__(self, path: Union[str, Path], device: Optional[str] = None) -> None:
        runtime, = require(('onnxruntime',), f'{path}')
        if not Path(path).is_file():
            raise CheckpointError(f'No such file: {path}')
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()  # as many as torch would take
        options.log_severity_level = 3
        providers = _providers(runtime, device)
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # each fault of a file has a class of its own there
            raise CheckpointError(f'{path} cannot be read by ONNX Runtime {runtime.__version__}: '
                                  f'{str(error).splitlines()[0][:300]}\nExport it again.') from error
        if providers != ON_CPU and GPU not in self._session.get_providers():  # it says nothing of that itself
            found = f'ONNX Runtime {runtime.__version__} is built for CUDA and cannot use it here'
            if device is not None:
                raise ConfigError(f'device (--device): {device} was asked for, and {found}: its CUDA or cuDNN '
                                  'libraries do not load, or are of another version.\nGive cpu, or install what '
                                  'onnxruntime.ai lists for that version.')
            print_log(f'{path} runs on the CPU: {found}', 'current', level=30)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.facts = _facts(self._session.get_modelmeta().custom_metadata_map, path)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """An image as the file wants it, to each output by its name; on the CPU."""
        found = self._session.run(None, {'image': image.cpu().numpy()})
        return dict(zip(self._outputs, map(torch.from_numpy, found)))


def _providers(runtime: Any, device: Optional[str]) -> list:
    kind = torch.device(device).type if device is not None else None
    there = GPU in runtime.get_available_providers() and torch.cuda.is_available()
    if kind == 'cuda' and not there:
        raise ConfigError(f'device (--device): {device} is not there for ONNX Runtime, whose package is built for: '
                          f'{", ".join(runtime.get_available_providers())}.\nGive cpu, or install the one for CUDA: '
                          'pip install onnxruntime-gpu')
    if not there or kind == 'cpu':
        return ON_CPU
    index = torch.device(device).index if device is not None else 0
    return [(GPU, dict(device_id=index or 0)), *ON_CPU]


class ProgramFile:
    """A file of torch.export.

    Args:
        path: The file. torch reads it by unpickling, which can run code: it has to be trusted.
        device: 'cpu' or None: its constants lie where it was exported.

    Attributes:
        facts: What stands in the file beside the network.

    Raises:
        ConfigError: If another device is asked for.
        CheckpointError: If the file is not trusted or cannot be read.
    """

    def __init__(self, path: Union[str, Path], device: Optional[str] = None) -> None:
        if device is not None and torch.device(device).type != 'cpu':
            raise ConfigError(f'device (--device): {path} was exported for the CPU; got {device}.\nGive cpu.')
        if not Path(path).is_file():
            raise CheckpointError(f'No such file: {path}')
        if not trusts():
            raise CheckpointError(f'{path}: torch reads files of torch.export in a way that can run code from them.\n'
                                  'If you trust it: --unsafe-load (unsafe=True). A file of ONNX needs no trust.')
        texts = dict.fromkeys((*FACTS, 'outputs'), '')
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of classes that it registers again
                self._run = torch.export.load(path, extra_files=texts).module()
        except Exception as error:  # a damaged archive fails in many ways
            raise CheckpointError(f'{path} cannot be read by torch.export of torch {torch.__version__}: '
                                  f'{str(error).splitlines()[0][:300]}\nExport it again.') from error
        self.facts = _facts(texts, path)
        self._outputs = json.loads(texts['outputs'])

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        """An image as the file wants it, to each output by its name."""
        with torch.no_grad():
            return dict(zip(self._outputs, self._run(image)))


def _facts(texts: Mapping[str, Any], path: Union[str, Path]) -> dict[str, Any]:
    try:
        return {key: json.loads(texts[key]) for key in FACTS}
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f'{path} does not say which classes it predicts and how images are prepared for it: it '
                              'was not written by tools/export.py.\nExport it with that, or run it by other '
                              'means.') from None


def open_file(path: Union[str, Path], device: Optional[str] = None) -> Union[OnnxFile, ProgramFile]:
    """A file by its suffix."""
    return (ProgramFile if Path(path).suffix.lower() == EXPORTED['torch-export'] else OnnxFile)(path, device)
