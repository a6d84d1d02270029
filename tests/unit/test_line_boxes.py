"""Boxes of lines and the pictures of lines: the same as RapidOCR's own, for maps of any kind."""

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from rapidocr.ch_ppocr_det.utils import DBPostProcess
from rapidocr.utils.process_img import get_rotate_crop_image

from worker.ocr.engines.rapid import recognition
from worker.ocr.engines.rapid.line_boxes import line_boxes


def random_map(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Specks and smears of any strength, as on a page of stains."""
    height, width = generator.integers(20, 400, 2)
    specks = (generator.random((height, width)) > 0.97).astype(np.uint8) * 255
    blurred: Any = cv2.GaussianBlur(specks, (0, 0), generator.uniform(0.5, 4)).astype(np.float64)
    return np.clip(blurred * generator.uniform(1, 20), 0, 255).astype(np.uint8)


def map_of_lines(generator: np.random.Generator) -> NDArray[np.uint8]:
    """Lines at any angle, some of which reach beyond the edge."""
    heat = np.zeros((500, 400), np.uint8)
    for _ in range(30):
        center, size = generator.uniform(0, 400, 2), generator.uniform(2, 120, 2)
        corners = cv2.boxPoints((center.tolist(), size.tolist(), float(generator.uniform(0, 180))))
        cv2.fillPoly(heat, [corners.astype(np.int32)], int(generator.integers(60, 255)))
    return heat


@pytest.mark.parametrize("seed", range(20))
def test_boxes_are_those_of_rapidocr(seed: int) -> None:
    generator = np.random.default_rng(seed)
    theirs = DBPostProcess(
        thresh=255 * 0.3, box_thresh=255 * 0.5, max_candidates=20_000, unclip_ratio=1.6, use_dilation=True
    )
    for heat in (random_map(generator), map_of_lines(generator)):
        # Factors with which many corners lie halfway between two pixels.
        height, width = (int(side * generator.choice([0.5, 1.5, 2.5, 3.1])) for side in heat.shape)
        expected, _ = theirs(heat[np.newaxis, np.newaxis], (height, width))
        found = line_boxes(heat, height, width)
        assert [box.corners.tolist() for box in found] == np.asarray(expected).reshape(-1, 4, 2).tolist()


def test_an_empty_map_has_no_boxes() -> None:
    assert line_boxes(np.zeros((40, 40), np.uint8), 80, 80) == []


@pytest.mark.parametrize("turn", [0, 3, 45, 90, 170])
def test_the_picture_of_a_line_is_that_of_rapidocr(turn: int) -> None:
    page = np.random.default_rng(turn).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    corners = cv2.boxPoints(((200, 150), (180, 30), turn)).astype(np.float32)
    assert np.array_equal(recognition._cut_out(page, corners), get_rotate_crop_image(page, corners.copy()))
