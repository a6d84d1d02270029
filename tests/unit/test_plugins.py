"""The registry of stages and engines: what it refuses, and plug-ins that cannot be used."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from checkpointing.errors import UnknownNameError
from tests.support.stages import Stamp, StampStage
from tests.support.work_stage import WorkStage
from worker import plugins
from worker.config.config_file import read_config_files
from worker.config.settings import Settings, load_settings, settings_class
from worker.ocr.engines.registry import ENGINES
from worker.plugins import Options, PluginError
from worker.stages.base import PageOutput, Stage, StageInputs
from worker.stages.registry import STAGES, check_stage, find_stage, make_stage, register

MODULE = """
from worker.plugins import Options
from worker.stages.base import PageOutput, Stage

class LateOptions(Options):
    late_words: int = 3

class Late(Stage):
    name, schema, depends_on, Options = "late", PageOutput, ("early",), LateOptions
    def run(self, page, inputs): return PageOutput(page_number=page)

class Early(Stage):
    name, schema = "zearly", PageOutput
    def run(self, page, inputs): return PageOutput(page_number=page)

class Other(Early):
    name = "early"
"""


@pytest.fixture(autouse=True)
def _registries_of_the_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAFMARK_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(plugins, "_all_entry_points", entry_points)
    for registry in (STAGES, ENGINES):
        # Other test modules register the stage `work` when they are imported.
        shipped = {name: entry for name, entry in registry._entries.items() if name != WorkStage.name}
        monkeypatch.setattr(registry, "_entries", shipped)
        monkeypatch.setattr(registry, "_loaded", False)
        monkeypatch.setattr(registry, "broken", {})
        monkeypatch.setattr(registry, "plugins", {})


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, **stages: str) -> None:
    """Install a package `third-party` 2.0 with stages, as pip leaves it."""
    name = f"third_party_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(module)
    info = folder / "third_party-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 2.0\n")
    points = "".join(f"{stage} = {name}:{found}\n" for stage, found in stages.items())
    (info / "entry_points.txt").write_text(f"[leafmark.stages]\n{points}")
    monkeypatch.syspath_prepend(folder)


def stage(**attributes: Any) -> type[Stage]:
    return type("MadeUpStage", (StampStage,), {"name": "made_up", "output_dir": "made_up", **attributes})


class WrongOptions(Options):
    words: int = 1


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"name": "Made Up"}, "the stage name 'Made Up' must be"),
        ({"output_dir": "../elsewhere"}, "cannot write to the folder '../elsewhere'"),
        ({"output_dir": "checkpoints"}, "cannot write to the folder 'checkpoints'"),
        ({"schema": int}, "needs a `schema`"),
        (
            {"depends_on": ("later",)},
            "depends on 'later', which is not registered before it; register 'later' first",
        ),
        ({"Options": WrongOptions}, "the option 'words' of the stage 'made_up' must begin with 'made_up_'"),
        ({"uses_model": True}, "uses a model, so its Options need a field `made_up_model: str`"),
    ],
)
def test_a_stage_that_breaks_a_rule_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(PluginError, match=reason.replace(".", r"\.").replace("(", r"\(")):
        register(stage(**wrong))
    assert wrong.get("name", "made_up") not in STAGES


def test_a_class_that_is_no_stage_is_refused() -> None:
    with pytest.raises(PluginError, match="Stamp is not a subclass"):
        check_stage(Stamp, [])  # type: ignore[arg-type]  # what is tried here


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(PluginError, match="the name 'ocr' is taken"):
        register(stage(name="ocr"))


def test_the_built_in_stages_keep_the_rules() -> None:
    names = list(STAGES)
    for place, name in enumerate(names):
        found = find_stage(name)
        check_stage(found, names[:place])
        assert found.name == name
        assert issubclass(Settings, found.Options)


def test_a_stage_put_before_what_it_depends_on_is_refused_when_it_is_used() -> None:
    entries = {"late": stage(name="late", depends_on=("made_up",)), "made_up": stage()}
    STAGES.update(entries)
    with pytest.raises(PluginError, match="'late' depends on 'made_up', which is not registered before it"):
        make_stage("late", Settings())
    assert make_stage("made_up", Settings()).name == "made_up"


def test_plugins_are_registered_after_those_that_they_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, MODULE.replace('"early",', '"zearly",'), late="Late", zearly="Early")
    monkeypatch.setenv("LEAFMARK_LATE_WORDS", "7")
    lines: list[str] = []
    settings = load_settings(warn=lines.append)
    assert lines == []
    assert list(STAGES)[-2:] == ["zearly", "late"]
    assert STAGES.plugins == {"zearly": "third-party 2.0", "late": "third-party 2.0"}
    assert make_stage("late", settings).options.late_words == 7
    assert list(type(settings).model_fields)[-1] == "late_words"


def test_completion_knows_the_names_without_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "raise SystemError('loaded')", late="Late")
    assert STAGES.all_names() == ["ocr", "correction", "fix", "structure", "late"]
    assert STAGES.broken == {}


@pytest.mark.parametrize(
    ("module", "stages", "reason"),
    [
        ("import nothing_of_that_name", {"late": "Late"}, "ModuleNotFoundError: No module named"),
        ("raise ValueError('two\\nlines')", {"late": "Late"}, "ValueError: two"),
        (MODULE, {"late": "Missing"}, "AttributeError"),
        (MODULE, {"late": "Late"}, "the stage 'late' depends on 'early', which is not registered before it"),
        (MODULE, {"late": "Early"}, "its class has the name 'zearly'"),
        (MODULE, {"ocr": "Early"}, "the name 'ocr' is taken"),
        ("Late = 3", {"late": "Late"}, "int is not a subclass"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, stages: dict[str, str], reason: str
) -> None:
    install(tmp_path, monkeypatch, module, **stages)
    lines: list[str] = []
    load_settings(warn=lines.append)
    ((name, _),) = stages.items()
    assert len(lines) == 1
    assert lines[0].startswith(f"the plug-in {name} (package third-party 2.0, entry point third_party_")
    assert reason in lines[0]
    assert "\n" not in lines[0]
    assert list(STAGES) == ["ocr", "correction", "fix", "structure"]


def test_a_broken_plugin_stops_what_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "raise ValueError('no')", late="Late")
    load_settings(warn=bool)
    with pytest.raises(UnknownNameError, match="there is no stage 'late': the plug-in late"):
        find_stage("late")


def test_settings_of_a_broken_plugin_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "raise ValueError('no')", late="Late")
    file = tmp_path / "leafmark.toml"
    file.write_text('late_words = 3\nlog_level = "ERROR"\n')
    monkeypatch.setenv("LEAFMARK_CONFIG", str(file))
    assert load_settings(warn=bool).log_level == "ERROR"
    assert [read.path for read in read_config_files(Settings.model_fields)] == [file]


def test_settings_of_a_plugin_are_validated_by_its_own_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, MODULE.replace('("early",)', "()"), late="Late")
    with pytest.raises(ValidationError, match="late_words"):
        settings_class()(late_words="many")


class Silent(Stage):
    name = "silent"
    schema = Stamp

    def run(self, page: int, _inputs: StageInputs) -> PageOutput:
        return Stamp(page_number=page, text="silence")


def test_a_stage_has_defaults_for_all_that_it_need_not_say() -> None:
    made = Silent()
    made.prepare()
    assert (made.version, made.output_dir, made.depends_on, made.context_pages) == ("1", "silent", (), 0)
    assert (made.uses_model, made.recipe, made.assembled_name) == (False, "", "")
    with pytest.raises(NotImplementedError):
        made.assemble([])
