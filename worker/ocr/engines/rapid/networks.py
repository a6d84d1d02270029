"""Runs RapidOCR's models on onnxruntime or on OpenVINO: on one thread of the CPU each, or on a GPU.

On the CPU, OpenVINO is used where it is installed and the processor has AVX-512. Without AVX-512 it took 1.2 times
the seconds and 1.5 times the memory of onnxruntime on the same pages, so onnxruntime is what every installation
has. The text is the same. A GPU computes in float32 too.
"""

import io
import threading
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from checkpointing.errors import SettingsError
from worker.launch.package_versions import UNKNOWN, package_version
from worker.ocr.engines.base import Device

Tensor = NDArray[np.float32]
# OpenVINO prepares itself for each shape of input. It keeps this many: all of them would fill the memory.
_PREPARED_SHAPES = 16
_AVX_512 = 13
"""OpenCV's number of the instruction set (`CV_CPU_AVX_512F`), which it does not export to Python."""
_OPENVINO_ON_CPU = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # it would keep all processes on the same core
    "CPU_RUNTIME_CACHE_CAPACITY": _PREPARED_SHAPES,
}
_CUDA = "CUDAExecutionProvider"
_CUDA_OPTIONS = {
    "use_tf32": "0",  # the precision of TF32 is less than that of float32
    "cudnn_conv_algo_search": "HEURISTIC",  # the default tries all algorithms for each new width of a line
    "arena_extend_strategy": "kSameAsRequested",  # several processes share the memory of the GPU
}
_WITH_CUDA = "pip uninstall -y onnxruntime && pip install 'onnxruntime-gpu[cuda,cudnn]'"
_OR_WITHOUT = "or set LEAFMARK_OCR_DEVICE to auto or cpu"
_PADDED = 160
"""Pixels, for what prepares itself for each new width."""


class Network:
    """A model that is loaded. Several threads may call it at once.

    Attributes:
        characters: what a recogniser can read, by index; empty for a detector.
        width_step: multiple to which inputs should be padded, in pixels, because a new width costs time.
    """

    def __init__(self, run: Callable[[Tensor], Tensor], characters: list[str], width_step: int) -> None:
        self._run = run
        self.characters = characters
        self.width_step = width_step

    def __call__(self, batch: Tensor) -> Tensor:
        """Return the output for a batch of images of shape (n, 3, height, width).

        The result is valid until the same thread calls the network again.
        """
        return self._run(batch)


class Target(NamedTuple):
    """What runs the models.

    Attributes:
        package: `onnxruntime` or `openvino`.
        device: `cpu`, `cuda` for an NVIDIA GPU, or `gpu` for one of OpenVINO's.
    """

    package: str
    device: str

    @property
    def version(self) -> str:
        """The package as it is installed, with its version, and the device unless it is the CPU."""
        names = ["onnxruntime", "onnxruntime-gpu"] if self.package == "onnxruntime" else [self.package]
        if self.device == "cuda":
            names.reverse()
        where = "" if self.device == "cpu" else f" on {self.device}"
        return f"{_installed(names)}{where}"


def targets(device: Device) -> list[Target]:
    """Return what may run the models, the most wanted first; whether a GPU works is known only when it is tried."""
    on_cuda, on_cpu = Target("onnxruntime", "cuda"), Target(runtime(), "cpu")
    if device == "cpu":
        return [on_cpu]
    if device == "cuda":
        return [on_cuda]
    return [on_cuda, *([Target("openvino", "gpu")] if find_spec("openvino") else []), on_cpu]


def runtime() -> str:
    """Return the name of the package that runs the models on the CPU of this machine."""
    has_avx_512 = cv2.checkHardwareSupport(_AVX_512)
    return "openvino" if has_avx_512 and find_spec("openvino") else "onnxruntime"


def load_network(model: Path, on: Target) -> Network:
    """Load an ONNX model.

    Raises:
        SettingsError: onnxruntime cannot use CUDA.
        Exception: it cannot be loaded; each package has its own errors.
    """
    return _on_openvino(model, on.device) if on.package == "openvino" else _on_onnxruntime(model, on.device)


def _installed(names: list[str]) -> str:
    """Return the first of these packages that is installed, with its version."""
    for name in names:
        if (installed := package_version(name)) != UNKNOWN:
            return f"{name} {installed}"
    return f"{names[0]} of unknown version"


def _on_openvino(path: Path, device: str) -> Network:
    import openvino  # noqa: PLC0415  # only a worker needs it

    core = openvino.Core()
    model = core.read_model(path)
    options = {"INFERENCE_PRECISION_HINT": "f32", **(_OPENVINO_ON_CPU if device == "cpu" else {})}
    compiled = core.compile_model(model, device.upper(), options)
    place = ["framework", "character"]
    characters = model.get_rt_info(place).value.splitlines() if model.has_rt_info(place) else []
    of_thread = threading.local()

    def run(batch: Tensor) -> Tensor:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        of_thread.request.infer([batch], share_inputs=True)
        output: Tensor = of_thread.request.get_output_tensor(0).data
        return output

    return Network(run, characters, width_step=_PADDED)


def _on_onnxruntime(path: Path, device: str) -> Network:
    import onnxruntime  # noqa: PLC0415  # only a worker needs it

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # otherwise it writes warnings to stderr
    make_session = _session_on_cuda if device == "cuda" else _session_on_cpu
    session = make_session(onnxruntime, path, options)
    name = session.get_inputs()[0].name
    known = session.get_modelmeta().custom_metadata_map

    def run(batch: Tensor) -> Tensor:
        output: Tensor = session.run(None, {name: batch})[0]
        return output

    return Network(run, known.get("character", "").splitlines(), width_step=_PADDED if device == "cuda" else 1)


def _session_on_cpu(onnxruntime: Any, path: Path, options: Any) -> Any:
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _session_on_cuda(onnxruntime: Any, path: Path, options: Any) -> Any:
    """Return a session on the GPU. Without a GPU that works, onnxruntime would use the CPU and not say so."""
    if _CUDA not in onnxruntime.get_available_providers():
        raise SettingsError(f"the installed onnxruntime cannot use CUDA; run {_WITH_CUDA}, {_OR_WITHOUT}")
    onnxruntime.set_default_logger_severity(4)  # otherwise it writes what it cannot load to stderr
    messages = io.StringIO()
    with redirect_stdout(messages):
        # Finds the libraries of NVIDIA's wheels; it prints what it does not find.
        onnxruntime.preload_dlls()
    providers = [(_CUDA, _CUDA_OPTIONS), "CPUExecutionProvider"]
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    if _CUDA not in session.get_providers():
        reason = next((f" ({line})" for line in messages.getvalue().splitlines() if line.strip()), "")
        raise SettingsError(
            f"onnxruntime finds no GPU that it can use with CUDA{reason}; install NVIDIA's driver, "
            f"run {_WITH_CUDA}, {_OR_WITHOUT}"
        )
    return session
