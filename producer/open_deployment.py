"""Makes the deployment that a command or a program works on."""

from producer.program import opened
from worker.config.settings import Settings, load_settings
from worker.deployment import Deployment
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import ScanFolder
from worker.telemetry import tracing


def make_deployment(settings: Settings) -> Deployment:
    """Return the deployment of the settings. Nothing is connected yet; the caller closes it."""
    return Deployment(settings, take_in=_take_in)


def open_deployment(settings: Settings | None = None) -> Deployment:
    """Return the deployment of the settings, by default those in force: the command line closes it at its end."""
    deployment = make_deployment(settings or load_settings())
    opened.callback(deployment.close)
    opened.callback(tracing.stop)
    return deployment


def _take_in(scan: ScanFolder) -> ScanMetadata:
    from producer.ingest.scanshelf_folder import take_in  # noqa: PLC0415  # it imports readers of sources

    return take_in(scan)
