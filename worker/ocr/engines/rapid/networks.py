"""Runs RapidOCR's models, on one thread each, on onnxruntime or on OpenVINO.

OpenVINO is used where it is installed and the processor has AVX-512. Without AVX-512 it took 1.2 times the seconds
and 1.5 times the memory of onnxruntime on the same pages, so onnxruntime is what every installation has. The text
is the same.
"""

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.float32]
# OpenVINO prepares itself for each shape of input. It keeps this many: all of them would fill the memory.
_PREPARED_SHAPES = 16
_AVX_512 = 13
"""OpenCV's number of the instruction set (`CV_CPU_AVX_512F`), which it does not export to Python."""


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


def runtime() -> str:
    """Return the name of the package that runs the models on this machine."""
    has_avx_512 = cv2.checkHardwareSupport(_AVX_512)
    return "openvino" if has_avx_512 and find_spec("openvino") else "onnxruntime"


def load_network(model: Path, on: str) -> Network:
    """Load an ONNX model.

    Args:
        model: the file.
        on: the package that runs it, from `runtime`.

    Raises:
        Exception: it cannot be loaded; each package has its own errors.
    """
    return _on_openvino(model) if on == "openvino" else _on_onnxruntime(model)


def _on_openvino(path: Path) -> Network:
    import openvino  # noqa: PLC0415  # only a worker needs it

    core = openvino.Core()
    model = core.read_model(path)
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # it would keep all processes on the same core
            "INFERENCE_PRECISION_HINT": "f32",
            "CPU_RUNTIME_CACHE_CAPACITY": _PREPARED_SHAPES,
        },
    )
    place = ["framework", "character"]
    characters = model.get_rt_info(place).value.splitlines() if model.has_rt_info(place) else []
    of_thread = threading.local()

    def run(batch: Tensor) -> Tensor:
        if not hasattr(of_thread, "request"):
            of_thread.request = compiled.create_infer_request()
        of_thread.request.infer([batch], share_inputs=True)
        output: Tensor = of_thread.request.get_output_tensor(0).data
        return output

    return Network(run, characters, width_step=160)


def _on_onnxruntime(path: Path) -> Network:
    import onnxruntime  # noqa: PLC0415  # only a worker needs it

    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4  # otherwise it writes warnings to stderr
    session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    known = session.get_modelmeta().custom_metadata_map

    def run(batch: Tensor) -> Tensor:
        output: Tensor = session.run(None, {name: batch})[0]
        return output

    return Network(run, known.get("character", "").splitlines(), width_step=1)
