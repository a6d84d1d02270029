"""What RapidOCR computes on. No GPU is needed: onnxruntime is one that lists CUDA and computes on the CPU."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont

from checkpointing.errors import SettingsError
from worker.ocr.engines.base import Device, Engine
from worker.ocr.engines.rapid import engine as rapid
from worker.ocr.engines.rapid import networks
from worker.ocr.engines.rapid.networks import Target
from worker.ocr.engines.registry import make_engine
from worker.stages.options import OcrOptions

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxruntimeWithCuda:
    """onnxruntime as it is with `onnxruntime-gpu`. Without a GPU that works its sessions use the CPU silently."""

    def __init__(self, gpu_works: bool) -> None:
        self.providers = [CUDA, CPU] if gpu_works else [CPU]
        self.options: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(onnxruntime, name)

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def preload_dlls(self) -> None:
        sys.stdout.write("Failed to load libcublas: no such file\n")

    def InferenceSession(self, model: str, options: Any, providers: Sequence[Any], **_: object) -> Any:  # noqa: N802
        self.options += [given for name, given in (each for each in providers if isinstance(each, tuple))]
        session = onnxruntime.InferenceSession(model, options, providers=[CPU])
        if any(each[0] == CUDA for each in providers):
            session.get_providers = lambda: self.providers
        return session


@pytest.fixture
def with_cuda(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], OnnxruntimeWithCuda]:
    def install(gpu_works: bool) -> OnnxruntimeWithCuda:
        fake = OnnxruntimeWithCuda(gpu_works)
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return fake

    return install


@pytest.fixture
def works_on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Target]]:
    """Let the models load only on some devices; the targets that are tried are noted."""

    def only(*devices: str) -> list[Target]:
        tried: list[Target] = []

        def load(_det: object, _rec: object, on: Target) -> object:
            tried.append(on)
            if on.device not in devices:
                raise SettingsError("no such device")
            return object()

        monkeypatch.setattr(rapid, "_tried_reader", load)
        return tried

    return only


def engine_on(device: Device) -> Engine:
    return make_engine(OcrOptions(ocr_device=device))


def test_cuda_reads_a_page_in_full_precision_and_is_named_in_the_version_and_not_in_the_recipe(
    with_cuda: Callable[[bool], OnnxruntimeWithCuda],
) -> None:
    fake = with_cuda(True)
    page = Image.new("L", (500, 100), 235)
    ImageDraw.Draw(page).text((40, 30), "Call me Ishmael.", fill=30, font=ImageFont.load_default(36))
    engine = engine_on("cuda")

    engine.load()

    assert [line.text for line in engine.recognise(page)] == ["Call me Ishmael."]
    assert engine.device_in_use == "cuda"
    assert engine.version.endswith(f", onnxruntime {onnxruntime.__version__} on cuda")
    assert engine.recipe == engine_on("cpu").recipe
    assert [options["use_tf32"] for options in fake.options] == ["0", "0"]


def test_cuda_without_a_package_for_it_is_a_settings_error_that_names_the_package() -> None:
    with pytest.raises(SettingsError, match=r"cannot use CUDA; run pip .*'onnxruntime-gpu\[cuda,cudnn\]', or set"):
        engine_on("cuda").load()


def test_cuda_without_a_gpu_that_works_is_a_settings_error_with_the_reason(
    with_cuda: Callable[[bool], OnnxruntimeWithCuda], capfd: pytest.CaptureFixture[str]
) -> None:
    with_cuda(False)

    with pytest.raises(SettingsError, match=r"no GPU .* \(Failed to load libcublas: .*\); install") as caught:
        engine_on("cuda").load()

    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_auto_without_a_gpu_that_works_reads_on_the_cpu(works_on: Callable[..., list[Target]]) -> None:
    works_on("cpu")
    engine = engine_on("auto")

    engine.load()

    assert engine.device_in_use == "cpu"
    assert engine.version == engine_on("cpu").version


@pytest.mark.parametrize(
    ("working", "installed", "tried"),
    [
        (["cuda", "gpu", "cpu"], True, ["cuda"]),
        (["gpu", "cpu"], True, ["cuda", "gpu"]),
        (["cpu"], True, ["cuda", "gpu", "cpu"]),
        (["gpu", "cpu"], False, ["cuda", "cpu"]),
    ],
)
def test_auto_takes_the_first_device_that_works(
    works_on: Callable[..., list[Target]],
    monkeypatch: pytest.MonkeyPatch,
    working: list[str],
    installed: bool,
    tried: list[str],
) -> None:
    """OpenVINO's GPU is tried only where OpenVINO is installed."""
    monkeypatch.setattr(networks, "find_spec", lambda name: name if installed else None)
    found = works_on(*working)
    engine = engine_on("auto")

    engine.load()
    engine.load()

    assert [target.device for target in found] == tried
    assert engine.device_in_use == tried[-1]


def test_auto_on_a_machine_where_nothing_works_is_a_settings_error(works_on: Callable[..., list[Target]]) -> None:
    works_on()

    with pytest.raises(SettingsError, match="no such device"):
        engine_on("auto").load()


def test_a_failure_on_a_gpu_does_not_advise_to_reinstall_what_uses_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> object:
        raise RuntimeError("CUDA failure 2: out of memory\nfile")

    monkeypatch.setattr(rapid, "_make_reader", fail)

    with pytest.raises(SettingsError, match=r"cannot be loaded on cuda \(CUDA failure 2: out of memory\); check"):
        engine_on("cuda").load()


def test_tesseract_computes_on_the_cpu_whatever_the_setting() -> None:
    assert make_engine(OcrOptions(ocr_engine="tesseract", ocr_device="cuda")).device_in_use == "cpu"
