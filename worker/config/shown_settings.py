"""The value of a setting as text, as the environment would have it, without secrets."""

from pydantic import SecretStr

from worker.config.setting_sources import MASK, masked
from worker.config.settings import Settings
from worker.llm.prices import Price


def shown_value(settings: Settings, name: str) -> str:
    """Return a setting's value as the environment would have it, with secrets masked; empty for none."""
    value = getattr(settings, name)
    match value:
        case _ if name == "storage_root":
            return str(settings.root)
        case SecretStr():
            return MASK if value.get_secret_value() else ""
        case dict():
            return ",".join(f"{key}={_price(each)}" for key, each in value.items())
        case float():
            return f"{value:g}"
        case None:
            return ""
        case _:
            return masked(name, value)


def _price(each: object) -> str:
    if not isinstance(each, Price):
        return str(each)
    amounts = (each.usd_per_million_in, each.usd_per_million_out, each.usd_per_million_cached)
    return "/".join(str(amount) for amount in amounts if amount is not None)
