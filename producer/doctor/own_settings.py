"""Check the settings of this process: the source of each, and variables that look like settings but are not."""

from collections.abc import Iterator
from pathlib import Path

from producer.doctor.check import Area, Check, Reporter
from worker.config.setting_sources import Origins, Source
from worker.config.settings import settings_class
from worker.launch.shadowing import shadowing_files
from worker.ocr.engines.registry import ENGINES
from worker.stages.registry import STAGES
from worker.text.suggestions import closest

_report = Reporter(Area.SETTINGS)


def examine_settings(origins: Origins) -> Iterator[Check]:
    """Check the sources of the settings. Their values were validated when they were loaded."""
    known = settings_class().model_fields
    by_source = {source: [name for name in known if origins.of(name).source is source] for source in Source}
    files = ", ".join(str(file.path) for file in origins.files)
    yield _report.ok("file", f"config file {files}" if files else "no config file")
    for source, where in ((Source.ENVIRONMENT, "the environment"), (Source.FILE, "the file")):
        if by_source[source]:
            yield _report.ok(source.value, f"from {where}: {', '.join(by_source[source])}")
    for name, lines in (("ignored", origins.ignored()), ("secret", origins.open_secrets())):
        for line in lines:
            what, _, then = line.partition("; ")
            yield _report.warning(name, what, then)
    for shadowing in shadowing_files(Path.cwd()):
        what = (
            f"{shadowing} has the name of a package of Leafmark, and Celery imports from the current folder first"
        )
        yield _report.warning(
            "shadowed", what, "use `producer worker` and `producer flower`, or change to another folder"
        )
    for registry in (STAGES, ENGINES):
        for name, package in registry.plugins.items():
            yield _report.ok("plugin", f"plug-in {name} from {package}")
        for line in registry.broken.values():
            yield _report.warning("plugin", line, "update or uninstall that package")
    for variable in origins.strays():
        close = closest(variable, [f"{origins.prefix}{name.upper()}" for name in known])
        then = f"did you mean {close}?" if close else "`producer config` lists the settings"
        yield _report.warning("stray", f"{variable} is set in the environment, but is not a setting", then)
