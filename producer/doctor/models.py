"""The stages that ask a language model: whether their settings are complete, and whether a price is known."""

from collections.abc import Iterator

from producer.doctor.check import Area, Check, Reporter
from worker.config.settings import Settings
from worker.stages.registry import STAGES, missing_settings, uses_model

_report = Reporter(Area.MODELS)


def examine_models(settings: Settings) -> Iterator[Check]:
    """Check the settings of every stage that asks a model; make no call."""
    asking = [stage for stage in STAGES if uses_model(stage)]
    set_up = [stage for stage in asking if settings.model(stage)]
    if not set_up and not settings.llm_base_url and not settings.llm_api_key.get_secret_value():
        yield _report.ok("set_up", "no stage asks a model: OCR only")
        return
    for stage in asking:
        missing = missing_settings(stage, settings)
        if stage not in set_up:
            yield _report.ok("set_up", f"{stage} is not set up; it would take {' and '.join(missing)}")
        elif missing:
            yield _report.problem("set_up", f"{stage} cannot ask its model", f"set {' and '.join(missing)}")
        else:
            yield _judge_price(settings, stage)


def _judge_price(settings: Settings, stage: str) -> Check:
    model, book = settings.model(stage), settings.price_book()
    if book.knows(model):
        return _report.ok("price", f"{stage} asks {model}: {book.describe(model)}")
    return _report.warning(
        "price",
        f"{stage} asks {model}, whose price is not known",
        f"set LEAFMARK_PRICES='{model}=IN/OUT' in USD per million tokens (0/0 for a server of your own)",
    )
