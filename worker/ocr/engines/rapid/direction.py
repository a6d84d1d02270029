"""Whether lines of print are upside down: the classifier that RapidOCR's wheel contains."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from worker.ocr.engines.rapid.networks import Network, Target, load_network

_TOGETHER = 12
"""Pictures that the network sees at once: always as many, because it prepares itself for each new shape."""
_UPSIDE_DOWN = 1
"""Index of the probability in the output."""


class DirectionClassifier:
    """Tells pieces of lines that are upside down. Several threads may use it at once."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def load(cls, model: Path, on: Target) -> "DirectionClassifier":
        """Load the model.

        Raises:
            Exception: it cannot be loaded; each package has its own errors.
        """
        return cls(load_network(model, on))

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the probability that each picture is upside down, of shape (n,).

        Args:
            pictures: of shape (n, 48, 192, 3), red, green and blue.
        """
        if not len(pictures):
            return np.zeros(0, np.float32)
        parts = [self._probabilities(pictures[at : at + _TOGETHER]) for at in range(0, len(pictures), _TOGETHER)]
        return np.concatenate(parts)

    def _probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = np.zeros((_TOGETHER, 3, *pictures.shape[1:3]), np.float32)
        batch[: len(pictures)] = pictures[..., ::-1].transpose(0, 3, 1, 2) / np.float32(127.5) - 1
        output: Any = self._network(batch)
        # The network writes the next result into the same memory.
        return cast("NDArray[np.float32]", output[: len(pictures), _UPSIDE_DOWN].copy())
