"""The deployment that a command works on."""

from producer.program import opened
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pages.scan import ScanFolder, ScanMetadata
from worker.telemetry import tracing


def open_deployment(settings: Settings) -> Deployment:
    """Return the deployment that the settings describe. Nothing is connected yet; `opened` closes it."""
    deployment = Deployment(settings, take_in=_take_in)
    opened.callback(deployment.close)
    opened.callback(tracing.stop)
    return deployment


def _take_in(scan: ScanFolder) -> ScanMetadata:
    from producer.ingest.scanshelf_folder import take_in  # noqa: PLC0415  # it imports readers of sources, which few scans need

    return take_in(scan)
