"""One leaf that is being printed: what its parts need to know."""

from dataclasses import dataclass

import numpy as np

from sample.truth_pages.flow import Frame
from sample.truth_pages.recipe import Recipe
from sample.truth_pages.setting import Texts
from sample.truth_pages.sheet import PrintedSheet


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single page, or a page of a spread.

    Attributes:
        sheet: to print on.
        recipe: what the page is to have.
        block: where the text stands, in pixels of the sheet.
        margin: the outer margin, for notes.
        texts: what is printed.
        random: the source of what is printed.
        number: of the page, from 1; odd ones are right pages.
    """

    sheet: PrintedSheet
    recipe: Recipe
    block: Frame
    margin: Frame
    texts: Texts
    random: np.random.Generator
    number: int

    @property
    def is_right(self) -> bool:
        """Whether the leaf is a right page, whose outer margin is at the right."""
        return self.number % 2 == 1

    def chance(self, share: float) -> bool:
        """Draw whether something happens that happens in such a share of cases."""
        return bool(self.random.random() < share)
