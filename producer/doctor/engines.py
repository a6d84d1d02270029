"""The OCR engines: which are installed, and whether the selected one loads, in a process of its own."""

from collections.abc import Callable, Iterator, Sequence

from checkpointing.errors import LeafmarkError
from producer.doctor.check import Area, Check, Reporter
from worker.config.settings import Settings
from worker.launch.package_versions import package_version
from worker.ocr.engines.registry import ENGINES
from worker.preflight import check_engines
from worker.stages.ocr import OcrStage

_report = Reporter(Area.ENGINES)


def examine_engines(settings: Settings, load: Callable[[Sequence[str]], object] = check_engines) -> Iterator[Check]:
    """Load what OCR needs, as a worker does before its first page."""
    if settings.ignored_language:
        what, _, then = settings.ignored_language.partition("; ")
        yield _report.warning("language", what, then)
    try:
        load([OcrStage.name])
    except LeafmarkError as error:
        what, _, then = str(error).partition("; ")
        yield _report.warning(
            "loads",
            f"no OCR can be done on this machine: {what}",
            then or "install it, or start no worker for OCR here",
        )
    else:
        engines = ", ".join(map(_describe, ENGINES))
        yield _report.ok(
            "loads", f"{settings.ocr_engine} loads, and OCR can be done on this machine; engines: {engines}"
        )


def _describe(name: str) -> str:
    package = ENGINES[name].package
    version = package_version(package)
    return f"{name} (not installed: needs {package})" if version == "unknown" else f"{name} ({package} {version})"
