"""Check what the stages need: OCR engines that load, and for models their settings and a price."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from checkpointing.errors import LeafmarkError
from producer.doctor.check import Area, Check, Reporter
from worker.config.settings import Settings
from worker.launch.package_versions import package_version
from worker.ocr.engines.registry import ENGINES
from worker.preflight import check_engines
from worker.stages.base import LoadedEngine
from worker.stages.ocr import OcrStage
from worker.stages.registry import STAGES, missing_settings, uses_model

_engines = Reporter(Area.ENGINES)
_models = Reporter(Area.MODELS)


def examine_engines(
    settings: Settings, load: Callable[[Sequence[str]], Mapping[str, LoadedEngine]] = check_engines
) -> Iterator[Check]:
    """Load what OCR needs, as a worker does before its first page."""
    if settings.ignored_language:
        what, _, then = settings.ignored_language.partition("; ")
        yield _engines.warning("language", what, then)
    try:
        engine = load([OcrStage.name])[OcrStage.name]
    except LeafmarkError as error:
        # It comes from a process of its own as one line, with its hint.
        what, _, then = str(error).partition("; ")
        yield _engines.warning(
            "loads",
            f"no OCR can be done on this machine: {what}",
            then or "install it, or start no worker for OCR here",
        )
    else:
        engines = ", ".join(map(_describe, ENGINES))
        yield _engines.ok(
            "loads",
            f"{settings.chosen_engine} loads on {engine.device}, and OCR can be done on this machine "
            f"({engine.version}); engines: {engines}",
        )


def _describe(name: str) -> str:
    """Return an engine with its declaration: `tesseract (tesserocr 2.13.0, cpu, words with boxes)`."""
    engine = ENGINES[name]
    if not engine.is_installed():
        return f"{name} (not installed: needs {engine.package})"
    words = "words with boxes" if engine.gives_words else "lines without words"
    return f"{name} ({engine.package} {package_version(engine.package)}, {engine.device}, {words})"


def examine_models(settings: Settings) -> Iterator[Check]:
    """Check the settings of every stage that asks a model; make no call."""
    asking = [stage for stage in STAGES if uses_model(stage)]
    set_up = [stage for stage in asking if settings.model(stage)]
    if not set_up and not settings.llm_base_url and not settings.llm_api_key.get_secret_value():
        yield _models.ok("set_up", "no stage asks a model: OCR only")
        return
    for stage in asking:
        missing = missing_settings(stage, settings)
        if stage not in set_up:
            yield _models.ok("set_up", f"{stage} is not set up; it would take {' and '.join(missing)}")
        elif missing:
            yield _models.problem("set_up", f"{stage} cannot ask its model", f"set {' and '.join(missing)}")
        else:
            yield _judge_price(settings, stage)


def _judge_price(settings: Settings, stage: str) -> Check:
    model, book = settings.model(stage), settings.price_book()
    if book.knows(model):
        return _models.ok("price", f"{stage} asks {model}: {book.describe(model)}")
    return _models.warning(
        "price",
        f"{stage} asks {model}, whose price is not known",
        f"set LEAFMARK_PRICES='{model}=IN/OUT' in USD per million tokens (0/0 for a server of your own)",
    )
