"""Lines that are not straight, as on a curled page, are found and are cut out along their middle."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from worker.ocr.engines.rapid import recognition
from worker.ocr.engines.rapid.line_boxes import LineBox, line_boxes

WIDTH, HEIGHT = 800, 200
X = np.arange(60, 740)


def sunk_at_an_end(x: NDArray[Any]) -> NDArray[Any]:
    return 80 + 40 * np.exp((x - 740) / 120)


def arched(x: NDArray[Any]) -> NDArray[Any]:
    return 90 + 30 * ((x - 400) / 340) ** 2


def tilted_and_arched(x: NDArray[Any]) -> NDArray[Any]:
    return arched(x) - 0.1 * (x - 400)


def straight(x: NDArray[Any]) -> NDArray[Any]:
    return 90 + 0.05 * (x - 400)


def band(middle: Any, thickness: int, strength: int = 230) -> NDArray[np.uint8]:
    """A map, or a page, on which a band runs along a curve."""
    picture = np.zeros((HEIGHT, WIDTH), np.uint8)
    points = np.stack([X, middle(X)], axis=1).round().astype(np.int32)
    cv2.polylines(picture, [points.reshape(-1, 1, 2)], isClosed=False, color=strength, thickness=thickness)
    return picture


def found_on(heat: NDArray[np.uint8]) -> LineBox:
    [box] = line_boxes(heat, 3 * HEIGHT, 3 * WIDTH)
    return box


@pytest.mark.parametrize("middle", [sunk_at_an_end, arched, tilted_and_arched])
def test_a_bowed_line_is_found_with_its_bow(middle: Any) -> None:
    assert found_on(band(middle, 8)).bow is not None


def test_a_straight_line_has_no_bow() -> None:
    assert found_on(band(straight, 8)).bow is None


def test_a_bowed_smear_of_which_the_network_is_not_sure_is_no_line() -> None:
    assert line_boxes(band(arched, 8, strength=100), HEIGHT, WIDTH) == []


def test_what_is_no_even_band_has_no_bow() -> None:
    fork = band(arched, 8) | band(sunk_at_an_end, 8)
    assert all(box.bow is None for box in line_boxes(fork, HEIGHT, WIDTH))


@pytest.mark.parametrize("middle", [sunk_at_an_end, arched, tilted_and_arched])
def test_a_bowed_line_is_flat_once_it_is_cut_out(middle: Any) -> None:
    page: Any = cv2.resize(band(middle, 8), (3 * WIDTH, 3 * HEIGHT), interpolation=cv2.INTER_NEAREST)
    corners, bow = found_on(band(middle, 8))
    assert bow is not None
    line = recognition._flattened(np.dstack([page] * 3), corners, bow)[:, :, 0].astype(np.float64)
    assert line.shape[0] == 48
    inside = line[:, line.sum(axis=0) > 1000]
    centre = (inside * np.arange(48)[:, np.newaxis]).sum(axis=0) / inside.sum(axis=0)
    assert centre == pytest.approx(23.5, abs=5)


def test_words_of_a_bowed_line_lie_on_its_bow() -> None:
    corners, bow = found_on(band(arched, 8))
    on_page = recognition._mapping(corners, bow, 1000)
    start, middle, end = on_page([(20, 24), (500, 24), (980, 24)])
    for point in (start, middle, end):
        assert point[1] == pytest.approx(3 * float(arched(np.array(point[0] / 3))), abs=9)
