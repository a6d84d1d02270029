"""What `kubectl apply -k FOLDER` makes of our kustomizations: the rules of kustomize that they can break.

Only the fields that ours use are known. Where `kubectl` is installed, `tests/unit/test_kubernetes.py` compares.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

Object = dict[str, Any]
FILE = "kustomization.yaml"
_KNOWN_FIELDS = {"apiVersion", "kind", "namespace", "resources", "images"}


class KustomizeError(Exception):
    """Kustomize would refuse it."""


def load(path: Path) -> list[Object]:
    """The objects of a file."""
    return [each for each in YAML(typ="safe").load_all(path) if each]


def build(folder: Path, visited: tuple[Path, ...] = ()) -> list[Object]:
    """The objects that a kustomization stands for, as its files have them: namespaces and images are not set here.

    Args:
        folder: with a `kustomization.yaml`.
        visited: the folders on the way here.

    Raises:
        KustomizeError: a field that is not known here, a file outside of its folder, a folder that contains one on
            the way to it, or an object that comes twice.
    """
    root = folder.resolve()
    if any(each.is_relative_to(root) for each in visited):
        raise KustomizeError(f"cycle detected: {root} contains {visited[-1]}")
    if not (root / FILE).is_file():
        raise KustomizeError(f"{root} has no {FILE}")
    (kustomization,) = load(root / FILE)
    unknown = kustomization.keys() - _KNOWN_FIELDS
    if unknown:
        raise KustomizeError(f"{root / FILE} has {sorted(unknown)}")
    found: list[Object] = []
    for name in kustomization["resources"]:
        path = (root / name).resolve()
        if path.is_dir():
            found += build(path, (*visited, root))
        elif path.is_relative_to(root) and path.is_file():
            found += load(path)
        else:
            raise KustomizeError(f"{name} of {root} is not a file in it")
    ids = [identity(each) for each in found]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise KustomizeError(f"{root} has {twice[0]} more than once")
    return found


def identity(each: Object) -> tuple[str, str, str]:
    """What an object is known by: kind, namespace, name."""
    return each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]
