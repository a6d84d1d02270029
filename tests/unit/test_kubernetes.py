"""deploy/kubernetes without a cluster: every object against its schema, and all of them against the code.

The schemas of Kubernetes' own kinds come with `kubernetes-validate`. That of KEDA's is ours: `keda.schema.json`.
"""

import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from tests.support.compose import interpolated
from tests.support.fake_deployment import REF, STAGE, FakeDeployment, make_fake
from tests.support.kustomize import FILE, KustomizeError, Object, build, identity, load
from tests.support.work_stage import WorkStage
from worker.config.settings import Settings
from worker.keys import Keys
from worker.stages.registry import STAGES

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "deploy" / "kubernetes"
KUBERNETES = "1.31"
KEDA_SCHEMA = json.loads((Path(__file__).parent / "keda.schema.json").read_text())
# A worker commits what waits before it ends; and a little for the signal.
STOP_SECONDS = 15


FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.name != FILE)
OBJECTS: list[Object] = [each for path in FILES for each in load(path)]
KUSTOMIZATIONS = sorted(path.parent for path in FOLDER.rglob(FILE))
KUBECTL = shutil.which("kubectl")
COMPOSE: Object = load(PROJECT / "docker-compose.yml")[0]["services"]


def named(kind: str, name: str) -> Object:
    (found,) = [each for each in OBJECTS if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> list[Object]:
    """The pod of each object that has one."""
    return [each["spec"]["template"]["spec"] for each in OBJECTS if "template" in each.get("spec", {})]


def containers() -> list[Object]:
    return [each for pod in pods() for each in [*pod.get("initContainers", []), *pod["containers"]]]


def container(name: str) -> Object:
    (found,) = [each for each in containers() if each["name"] == name]
    return found


def whole_command(name: str) -> list[str]:
    return [*container(name)["command"], *container(name).get("args", [])]


def queues_of(name: str) -> list[str]:
    command = whole_command(name)
    return list(command[command.index("-Q") + 1].split(","))


def slots_of(name: str) -> int:
    (slots,) = [word.partition("=")[2] for word in whole_command(name) if word.startswith("--concurrency=")]
    return int(slots)


def settings() -> Settings:
    """As the config map has them."""
    prefix = "LEAFMARK_"
    values = {
        key.removeprefix(prefix).lower(): value for key, value in named("ConfigMap", "leafmark")["data"].items()
    }
    return Settings(**values)


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_every_object_is_as_its_schema_wants_it(each: Object) -> None:
    if each["apiVersion"].startswith("keda.sh/"):
        jsonschema.Draft202012Validator(KEDA_SCHEMA).validate(each)
    else:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_a_mistake_in_either_is_found() -> None:
    worker, scaling = named("Deployment", "worker"), named("ScaledObject", "worker")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**worker, "spec": {**worker["spec"], "replica": 2}}, KUBERNETES, strict=True)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(KEDA_SCHEMA).validate({**scaling, "spec": {"triggers": []}})


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: str(folder.relative_to(PROJECT)))
def test_each_kustomization_can_be_applied_by_itself(folder: Path) -> None:
    assert {"Namespace", "Deployment", "NetworkPolicy"} <= {each["kind"] for each in build(folder)}


@pytest.mark.skipif(KUBECTL is None, reason="needs kubectl")
@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda folder: str(folder.relative_to(PROJECT)))
def test_kubectl_makes_the_same_objects_of_a_kustomization(folder: Path) -> None:
    made = subprocess.run(
        [KUBECTL or "", "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=300
    )
    assert made.returncode == 0, made.stderr
    theirs = [each for each in YAML(typ="safe").load_all(made.stdout) if each]
    assert sorted(map(identity, theirs)) == sorted(map(identity, build(folder)))


def test_the_kustomizations_use_every_file_but_the_examples_and_only_the_overlay_scales() -> None:
    without, with_keda = build(FOLDER), build(FOLDER / "overlays" / "keda")
    assert sorted(map(identity, with_keda)) == sorted(
        identity(each) for path in FILES if path.parent.name != "examples" for each in load(path)
    )
    more = {each["kind"] for each in with_keda if each not in without}
    assert more == {"TriggerAuthentication", "ScaledObject"}
    assert all(each in with_keda for each in without)


@pytest.mark.parametrize(
    ("above", "overlay", "refusal"),
    [
        (["a.yaml"], ["..", "b.yaml"], "cycle detected"),
        (["overlay"], [".."], "cycle detected"),
        (["a.yaml"], ["../a.yaml"], "is not a file in it"),
        (["a.yaml"], ["gone.yaml"], "is not a file in it"),
        (["a.yaml"], ["b.yaml", "b.yaml"], "more than once"),
    ],
)
def test_a_kustomization_that_kustomize_refuses_is_found(
    tmp_path: Path, above: list[str], overlay: list[str], refusal: str
) -> None:
    folder = tmp_path / "overlay"
    folder.mkdir()
    for path, names in ((tmp_path, above), (folder, overlay)):
        (path / FILE).write_text(json.dumps({"resources": names}))
    for path in (tmp_path / "a.yaml", folder / "b.yaml"):
        path.write_text(f"kind: ConfigMap\nmetadata:\n  name: {path.stem}\n")
    with pytest.raises(KustomizeError, match=refusal):
        build(folder)


def test_the_documented_folders_to_apply_are_there() -> None:
    texts = [(PROJECT / name).read_text() for name in ("README.md", "docs/how-to/use-kubernetes.md")]
    texts += [path.read_text() for path in FOLDER.rglob("*.yaml")]
    applied = {found for text in texts for found in re.findall(r"apply -k (deploy/[\w/]+)", text)}
    assert {"deploy/kubernetes", "deploy/kubernetes/overlays/keda"} <= applied
    assert all((PROJECT / path / FILE).is_file() for path in applied)


def test_images_are_those_of_compose() -> None:
    ours = COMPOSE["worker"]["image"]
    assert {each["image"] for each in containers()} == {ours, COMPOSE["redis"]["image"]}
    assert ours.rpartition(":")[0] == "leafmark"
    (image,) = load(FOLDER / "base" / FILE)[0]["images"]
    assert f"{image['name']}:{image['newTag']}" == ours


@pytest.mark.parametrize("name", ["worker", "asking", "flower"])
def test_commands_are_those_of_compose_and_what_a_cluster_needs_more(name: str) -> None:
    theirs, ours = [interpolated(word) for word in COMPOSE[name]["command"]], whole_command(name)
    assert set(theirs) <= set(ours)
    assert ours[: theirs.index("worker") + 1] == theirs[: theirs.index("worker") + 1]
    assert set(ours) - set(theirs) <= {"--without-gossip", "--without-mingle"}


def test_the_broker_is_as_durable_as_that_of_compose_and_has_a_password() -> None:
    script = container("valkey")["args"][0]
    flags = [word for word in COMPOSE["redis"]["command"] if word != "valkey-server"]
    assert " ".join(flags) in script
    assert "requirepass" in script
    assert "requirepass" not in script.splitlines()[0], "in an argument it would be for all to see"


def test_workers_serve_every_stage_and_nothing_else() -> None:
    shipped = [name for name in STAGES if name != WorkStage.name]
    assert queues_of("worker") + queues_of("asking") == shipped


def test_every_variable_is_a_setting() -> None:
    given = {entry["name"] for each in containers() for entry in each.get("env", [])}
    given |= named("ConfigMap", "leafmark")["data"].keys()
    known = {f"LEAFMARK_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in given if name.startswith("LEAFMARK_")} <= known
    assert {name for name in given if not name.startswith("LEAFMARK_")} == {"REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    assert {"LEAFMARK_REDIS_URL", "LEAFMARK_LLM_API_KEY"} <= given
    assert settings().root == Path("/scans")


def test_what_is_secret_comes_from_the_secret_and_all_of_it_is_there() -> None:
    wanted = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for each in containers()
        for entry in each.get("env", [])
        if "valueFrom" in entry
    }
    assert wanted == named("Secret", "leafmark")["stringData"].keys()
    assert all("examples" in path.parts for path in FILES if "kind: Secret" in path.read_text())


def test_the_password_is_known_before_the_address_that_is_made_with_it() -> None:
    for each in containers():
        names = [entry["name"] for entry in each.get("env", [])]
        if "LEAFMARK_REDIS_URL" in names:
            assert names.index("REDIS_PASSWORD") < names.index("LEAFMARK_REDIS_URL")


@pytest.mark.parametrize("name", ["worker", "asking"])
def test_a_pod_is_given_as_long_to_stop_as_its_longest_page_may_take(name: str) -> None:
    longest = max(settings().hard_seconds(stage) for stage in queues_of(name))
    given = named("Deployment", name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert longest + STOP_SECONDS <= given <= longest + 60


def test_pages_that_take_all_they_may_do_not_end_their_pod() -> None:
    limit = re.fullmatch(r"(\d+)Gi", container("worker")["resources"]["limits"]["memory"])
    assert limit is not None
    assert slots_of("worker") * settings().page_megabytes + 1024 <= int(limit[1]) * 1024
    assert int(container("worker")["resources"]["requests"]["cpu"]) == slots_of("worker"), (
        "engines use one thread each"
    )


@pytest.mark.parametrize("name", ["worker", "asking"])
def test_the_doctor_is_asked_as_in_compose_and_metrics_are_where_they_are_read(name: str) -> None:
    for probe in ("startupProbe", "readinessProbe"):
        assert ["CMD", *container(name)[probe]["exec"]["command"]] == COMPOSE[name]["healthcheck"]["test"]
    assert "livenessProbe" not in container(name), "a worker that waits for storage is not to be killed"
    port = settings().metrics_port
    assert container(name)["ports"] == [{"name": "metrics", "containerPort": port}]
    template = named("Deployment", name)["spec"]["template"]["metadata"]
    assert template["annotations"]["prometheus.io/port"] == str(port)
    (rule,) = named("NetworkPolicy", "metrics")["spec"]["ingress"]
    assert [each["port"] for each in rule["ports"]] == [port]


def test_no_pod_may_do_more_than_it_needs() -> None:
    assert len(pods()) == 5
    for pod in pods():
        rules = pod["securityContext"]
        assert (rules["runAsNonRoot"], rules["runAsUser"], rules["fsGroup"]) == (True, 10001, 10001)
        assert rules["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False, "a service `flower` would set FLOWER_PORT"
        assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]
    for each in containers():
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"name": "tmp", "mountPath": "/tmp"} in each["volumeMounts"]  # noqa: S108  # in the container
        assert {"requests", "limits"} <= each["resources"].keys()


def test_nothing_is_open_to_the_network_but_what_is_named() -> None:
    services = [each["spec"].get("type", "ClusterIP") for each in OBJECTS if each["kind"] == "Service"]
    assert services == ["ClusterIP"] * 2
    nothing = named("NetworkPolicy", "nothing")["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.parametrize("name", ["worker", "asking"])
def test_scaling_looks_at_the_lists_of_the_stages_that_are_served(name: str) -> None:
    spec = named("ScaledObject", name)["spec"]
    assert spec["scaleTargetRef"]["name"] == name
    lists = [trigger["metadata"]["listName"] for trigger in spec["triggers"]]
    keys = Keys(settings().key_prefix)
    assert lists == [keys.queue(stage) for stage in queues_of(name)]
    assert {int(trigger["metadata"]["listLength"]) for trigger in spec["triggers"]} == {slots_of(name)}
    service = named("Service", "valkey")
    address = f"valkey.{service['metadata']['namespace']}.svc:{service['spec']['ports'][0]['port']}"
    assert {trigger["metadata"]["address"] for trigger in spec["triggers"]} == {address}


def test_one_worker_stays_because_its_reconciler_finds_what_got_lost() -> None:
    assert named("ScaledObject", "worker")["spec"]["minReplicaCount"] == 1


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch)
    made.write_scan(pages=2000)
    return made


def wanted_pods(fake: FakeDeployment, slots: int) -> int:
    """What the autoscaler makes of the list's length, with one message a slot as its target."""
    length: Any = fake.redis.llen(fake.parts.queues.keys.queue(STAGE))
    return math.ceil(int(length) / slots)


@pytest.mark.parametrize("slots", [2, 64])
def test_while_pages_wait_the_window_asks_for_more_pods_and_afterwards_for_fewer(
    fake: FakeDeployment, slots: int
) -> None:
    queue, dispatch = fake.parts.queues.queue(REF), fake.parts.queues.dispatch(STAGE)
    list(queue.put(range(1, 2001)))
    running = wanted_pods(fake, slots)
    assert running >= 1, "from none it begins"
    while running * slots < 500:
        for number in range(running):
            dispatch.record_heartbeat(f"pod-{number}", slots)
        wanted = wanted_pods(fake, slots)
        assert wanted >= 2 * running
        running = wanted
    for _ in range(2000 - slots):
        fake.redis.zpopmin(fake.parts.queues.keys.waiting(REF))
    for _ in range(int(fake.redis.llen(fake.parts.queues.keys.queue(STAGE))) - slots):  # type: ignore[arg-type]  # not awaited
        fake.redis.rpop(fake.parts.queues.keys.queue(STAGE))
    assert wanted_pods(fake, slots) == 1
