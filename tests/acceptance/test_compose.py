"""docker-compose.yml and the Dockerfile, without Docker: what they promise, and their very commands at work."""

import base64
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from packaging.specifiers import SpecifierSet
from redis import Redis
from redis.exceptions import RedisError
from ruamel.yaml import YAML

from producer.run.embedded_broker import EmbeddedBroker
from sample import small_page, write_image_folder
from sample.provider import Provider, running_provider
from tests.support.compose import interpolated
from tests.support.deployment import Deployment, deployment_in
from tests.support.free_port import free_port
from tests.support.llm_deployment import settings_for
from tests.support.waiting import HANG_SECONDS, wait_until
from worker.config.settings import Settings

PROJECT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(PROJECT / "docker-compose.yml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
OURS = {name for name, service in SERVICES.items() if "build" in service}
WORKERS = 2
# A worker commits what waits before it ends; and a little for the signal.
STOP_SECONDS = 15
PAGES = 8
USER, PASSWORD = "librarian", "open: sesame"


class Services:
    """The services as processes of this host: their commands and environments, with the names a host needs.

    Args:
        deployment: where they run; its broker is the port of the `redis` service.
        port: of the broker.
        valkey: path of a valkey-server.
        folder: for the broker's data.
    """

    def __init__(self, deployment: Deployment, port: int, valkey: str, folder: Path) -> None:
        self.flower_port = free_port()
        self.deployment = deployment
        self._replacements = {
            "redis:6379": f"127.0.0.1:{port}",
            "/scans": str(deployment.root),
            "/data": str(folder),
            "0.0.0.0": "127.0.0.1",  # noqa: S104  # replaced: a test is not for the network
            "5555": str(self.flower_port),
            "${FLOWER_USER:?set FLOWER_USER}": USER,
            "${FLOWER_PASSWORD:?set FLOWER_PASSWORD}": PASSWORD,
        }
        self._executables = {"valkey-server": valkey}
        self._variables: dict[str, str] = {}
        self.metrics_ports: list[str] = []

    def ask(self, provider: Provider) -> None:
        """Set the variables that a person sets who wants a language model asked."""
        self._variables = settings_for(provider)

    def start(self, name: str, *more: str) -> None:
        """Start a service."""
        environment = self._environment(name)
        if "LEAFMARK_METRICS_PORT" in environment:
            # Containers have addresses of their own; here each worker needs a port.
            environment["LEAFMARK_METRICS_PORT"] = str(free_port())
            self.metrics_ports.append(environment["LEAFMARK_METRICS_PORT"])
        self.deployment.start([*self._command(name, "command"), *more], **environment)

    def health(self, name: str) -> int:
        """The exit code of a service's healthcheck: Docker takes 0 for healthy."""
        kind, executable, *arguments = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(
            [str(Path(sys.executable).with_name(executable)), *map(self._here, arguments)],
            capture_output=True,
            timeout=HANG_SECONDS,
            env={**self.deployment.environment, **self._environment(name)},
            check=False,
        ).returncode

    def producer(self, *arguments: str) -> str:
        """What the `producer` service prints for some arguments."""
        done = subprocess.run(
            [*self._command("producer", "entrypoint"), *arguments],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            env={**self.deployment.environment, **self._environment("producer")},
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr}\n{self.deployment.logs()}"
        return done.stdout

    def flower(self, path: str, *, user: str | None = None, password: str = PASSWORD) -> str:
        """A page of Flower's."""
        request = Request(f"http://127.0.0.1:{self.flower_port}{path}")
        if user is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())
        with urlopen(request, timeout=10) as answer:  # noqa: S310  # always http
            text: str = answer.read().decode()
            return text

    def metrics(self, port: str) -> str:
        """What Prometheus gets of a worker."""
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def _command(self, name: str, key: str) -> list[str]:
        executable, *arguments = SERVICES[name][key]
        beside_python = str(Path(sys.executable).with_name(executable))
        return [self._executables.get(executable, beside_python), *map(self._here, arguments)]

    def _environment(self, name: str) -> dict[str, str]:
        return {key: self._here(value) for key, value in SERVICES[name].get("environment", {}).items()}

    def _here(self, text: str) -> str:
        for theirs, here in self._replacements.items():
            text = text.replace(theirs, here)
        return interpolated(text, self._variables)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, broker_of_session: EmbeddedBroker) -> Iterator[Services]:
    """Everything up, as after `docker compose up --scale worker=2`, and a small book done."""
    folder = tmp_path_factory.mktemp("compose")
    data = folder / "redis"
    data.mkdir()
    book = write_image_folder(folder / "slips", [small_page(number) for number in range(1, PAGES + 1)])
    with Redis.from_url(broker_of_session.url) as embedded:
        valkey = str(embedded.info("server")["executable"])
    port = free_port()
    with deployment_in(folder, f"redis://127.0.0.1:{port}/0") as deployment:
        made = Services(deployment, port, valkey, data)
        made.start("redis", "--port", str(port), "--bind", "127.0.0.1")
        deployment.wait(lambda: _answers(deployment.redis), 20, "redis")
        made.start("flower")
        for number in range(WORKERS):
            # Containers have host names of their own.
            made.start("worker", f"--hostname=worker{number}@compose", "--concurrency=1")
        deployment.wait(lambda: len(_known_workers(made)) == WORKERS, 60, "Flower to know the workers")
        assert made.producer("ingest", str(book)) == "slips\n"
        made.producer("enqueue", "slips", "--wait")
        with running_provider() as provider:
            made.ask(provider)
            made.start("asking", "--hostname=asking@compose")
            made.producer("enqueue", "slips", "--stage", "correction", "--through", "structure", "--wait")
        yield made


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def _known_workers(services: Services) -> dict[str, Any]:
    try:
        known: dict[str, Any] = json.loads(services.flower("/api/workers?refresh=1", user=USER))
    except (HTTPError, URLError):
        return {}
    return known


def test_the_services_do_a_book_through_all_stages(services: Services) -> None:
    assert services.deployment.checkpoint("slips")["status"] == "completed"
    assert (services.deployment.root / "slips" / "structured" / "metadata.json").exists()
    services.deployment.insist_on_pages_done("slips", range(1, PAGES + 1))
    assert "completed" in services.producer(*SERVICES["producer"]["command"])


def test_the_queue_is_durable_and_never_evicted(services: Services) -> None:
    settings = services.deployment.redis.config_get("appendonly", "maxmemory-policy")
    assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("name", ["worker", "flower"])
def test_the_services_are_healthy_by_their_own_checks(services: Services, name: str) -> None:
    assert services.health(name) == 0
    assert SERVICES["asking"]["healthcheck"] == SERVICES["worker"]["healthcheck"]


@pytest.mark.parametrize("path", ["/", "/workers", "/tasks", "/broker", "/api/workers", "/api/tasks"])
@pytest.mark.parametrize(("user", "password"), [(None, ""), ("stranger", PASSWORD), (USER, "a guess")])
def test_flower_and_its_api_are_closed_to_strangers(
    services: Services, path: str, user: str | None, password: str
) -> None:
    with pytest.raises(HTTPError) as refused:
        services.flower(path, user=user, password=password)
    refused.value.close()
    assert refused.value.code == 401


def test_flower_shows_the_workers_and_names_each_page(services: Services) -> None:
    shown = services.flower("/workers", user=USER)
    names = {"worker0@compose", "worker1@compose", "asking@compose"}
    assert names == _known_workers(services).keys()
    assert all(name in shown for name in names)

    stages = ("ocr", "correction", "fix", "structure")
    wait_until(lambda: len(_succeeded(services)) == len(stages) * PAGES, 20, "Flower to show every page")
    kwargs = {task["kwargs"] for task in _succeeded(services)}
    assert kwargs == {
        f"{{'page': {page}, 'stage': '{stage}', 'scan_id': 'slips'}}"
        for stage in stages
        for page in range(1, PAGES + 1)
    }
    assert {task["name"] for task in _succeeded(services)} == {"page.process"}


def _succeeded(services: Services) -> list[dict[str, Any]]:
    tasks: dict[str, dict[str, Any]] = json.loads(services.flower("/api/tasks", user=USER))
    return [task for task in tasks.values() if task["state"] == "SUCCESS"]


def test_every_image_is_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert all(re.search(r":v?\d+\.\d+\.\d+", image) for image in images), images
    assert {SERVICES[name]["image"] for name in OURS} == {f"leafmark:{PYPROJECT['project']['version']}"}


def test_ports_are_open_to_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 5
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_finds_every_worker_by_its_service_and_port(services: Services) -> None:
    assert len(services.metrics_ports) == WORKERS + 1
    done = sum(
        int(float(count))
        for port in services.metrics_ports
        for count in re.findall(
            r'^leafmark_pages_total{outcome="complete",stage="\w+"} (\S+)$', services.metrics(port), re.MULTILINE
        )
    )
    assert done == 4 * PAGES
    (job,) = YAML(typ="safe").load(PROJECT / "deploy/prometheus/prometheus.yml")["scrape_configs"]
    (asked,) = job["dns_sd_configs"]
    assert set(asked["names"]) == {name for name in OURS if "LEAFMARK_METRICS_PORT" in _environment_of(name)}
    assert all(_environment_of(name)["LEAFMARK_METRICS_PORT"] == str(asked["port"]) for name in asked["names"])
    assert all("ports" not in SERVICES[name] for name in asked["names"]), "for Prometheus, and nobody else"


def test_prometheus_and_grafana_come_with_their_profile_and_find_their_files() -> None:
    others = SERVICES.keys() - OURS - {"redis"}
    assert others == {"prometheus", "alertmanager", "grafana"}
    for name in others:
        assert SERVICES[name]["profiles"] == ["monitoring"]
        mounted = [each.split(":")[0] for each in SERVICES[name]["volumes"] if each.startswith("./")]
        assert mounted
        assert all((PROJECT / path).exists() for path in mounted)
    assert (PROJECT / "deploy/prometheus/alerts.yml").is_file()
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${FLOWER_PASSWORD:?")


def _environment_of(name: str) -> dict[str, str]:
    found: dict[str, str] = SERVICES[name].get("environment", {})
    return found


def test_flower_is_told_who_may_look_and_nothing_opens_its_api() -> None:
    assert SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"].count(":?") == 2, "neither may be left out"
    assert "FLOWER_UNAUTHENTICATED_API" not in (PROJECT / "docker-compose.yml").read_text() + DOCKERFILE


def test_the_broker_is_healthy_before_anything_uses_it() -> None:
    assert SERVICES["redis"]["healthcheck"]["test"] == ["CMD", "valkey-cli", "ping"]
    assert all(SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}} for name in OURS)


def test_every_command_starts_with_what_its_image_has() -> None:
    installed = {*PYPROJECT["project"]["scripts"], "celery"}
    assert any(needed.startswith("celery") for needed in PYPROJECT["project"]["dependencies"])
    assert {"worker", "asking", "flower", "producer"} == OURS
    for name in OURS:
        assert SERVICES[name].get("entrypoint", SERVICES[name]["command"])[0] in installed
    assert SERVICES["redis"]["image"].startswith("valkey/valkey:")
    assert SERVICES["redis"]["command"][0] == "valkey-server"


def test_nothing_of_ours_runs_as_root() -> None:
    (user,) = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert user.split(":")[0] not in {"root", "0"}
    users = {SERVICES[name]["user"] for name in OURS}
    assert {interpolated(each) for each in users} == {user}
    assert {interpolated(each, {"SCANS_USER": "1000:100"}) for each in users} == {"1000:100"}


def test_scans_are_in_a_volume_or_in_a_folder_of_the_machine_that_a_variable_names() -> None:
    (volume,) = {each for name in OURS for each in SERVICES[name]["volumes"]}
    inside = _environment_of("worker")["LEAFMARK_STORAGE_ROOT"]
    assert interpolated(volume) == f"scans:{inside}"
    assert "scans" in COMPOSE["volumes"]
    assert interpolated(volume, {"SCANS_FOLDER": "/srv/scans"}) == f"/srv/scans:{inside}"


@pytest.mark.parametrize("name", ["worker", "asking"])
def test_a_worker_is_given_as_long_to_stop_as_its_longest_page_may_take(name: str) -> None:
    prefix = "LEAFMARK_"
    values = {key.removeprefix(prefix).lower(): value for key, value in _environment_of(name).items()}
    settings = Settings(**{key: interpolated(value) for key, value in values.items()})
    stages = SERVICES[name]["command"][SERVICES[name]["command"].index("-Q") + 1].split(",")
    longest = max(settings.hard_seconds(stage) for stage in stages)
    minutes, seconds = re.fullmatch(r"(\d+)m(\d+)s", SERVICES[name]["stop_grace_period"]).groups()  # type: ignore[union-attr]
    assert longest + STOP_SECONDS <= int(minutes) * 60 + int(seconds)


def test_a_worker_has_as_many_processes_as_a_variable_says() -> None:
    (option,) = [each for each in SERVICES["worker"]["command"] if each.startswith("--concurrency=")]
    assert interpolated(option) == "--concurrency=2"
    assert interpolated(option, {"OCR_CONCURRENCY": "7"}) == "--concurrency=7"


def test_the_way_of_a_book_into_the_scans_is_told_with_commands_that_there_are() -> None:
    told = (PROJECT / "docs/how-to/use-docker.md").read_text()
    assert 'docker compose run --rm -v "$PWD:/in:ro" producer ingest /in/my-book.pdf' in told
    assert "how-to/use-docker.md" in (PROJECT / "README.md").read_text()
    for service in re.findall(r"docker compose (?:run --rm .*?|cp |kill )\b(producer|worker)\b", told):
        assert service in SERVICES
    assert {"SCANS_FOLDER", "SCANS_USER", "OCR_CONCURRENCY"} <= set(re.findall(r"\b[A-Z]+_[A-Z]+\b", told))


def test_the_image_has_a_python_that_the_project_supports() -> None:
    (version,) = re.findall(r"^FROM python:([\d.]+)", DOCKERFILE, re.MULTILINE)
    assert version in SpecifierSet(PYPROJECT["project"]["requires-python"])


def test_the_image_is_not_started_among_the_sources() -> None:
    # They have the names of the installed packages: Celery would be told of each that it is not run.
    build, last = re.findall(r"^WORKDIR (.+)", DOCKERFILE, re.MULTILINE)
    assert build != last
    assert re.search(r"^USER ", DOCKERFILE.partition(f"WORKDIR {last}")[0], re.MULTILINE)


def test_the_image_gets_every_package_and_nothing_that_does_not_exist() -> None:
    copied = {
        source for line in re.findall(r"^COPY (.+)", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
    }
    assert {name for name in copied if not (PROJECT / name).exists()} == set()
    setuptools = PYPROJECT["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]["find"]["include"]}
    assert packages | {f"{module}.py" for module in setuptools["py-modules"]} <= copied
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= allowed
