"""English: the sample book's own text, and verse by Blake and Shakespeare."""

from itertools import chain

from sample.text import CHAPTERS
from sample.truth_pages.texts.language import Language, stanzas

ENGLISH = Language(
    code="en",
    prose=" ".join(chain.from_iterable(chapter.paragraphs for chapter in CHAPTERS)),
    verse=stanzas("""
Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

In what distant deeps or skies,
Burnt the fire of thine eyes?
On what wings dare he aspire?
What the hand, dare seize the fire?

Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date.

But thy eternal summer shall not fade,
Nor lose possession of that fair thou owest;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou growest.
"""),
    titles=(
        "The History of the Town",
        "Of Gardens and Orchards",
        "Down the Rabbit-Hole",
        "A Journey to the North",
        "Letters from the Country",
        "The Pool of Tears",
    ),
    captions=("The well, seen from above", "Fig. 3. The old mill by the river", "View of the harbour in summer"),
    remarks=(
        "The king departs.",
        "Of the price of corn.",
        "A great frost.",
        "The bridge is built.",
        "Letters arrive from London.",
    ),
    terms=("Wheat", "Barley", "Oats", "Rye", "Beans", "Pease", "Hay", "Wool", "Tallow", "Honey", "Salt", "Iron"),
    terms_head="Goods",
    column_heads=("Bushels", "Price", "Total", "Year", "Weight"),
    page="page",
)
