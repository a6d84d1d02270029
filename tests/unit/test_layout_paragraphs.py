"""Paragraphs, verse and headings from line boxes alone: lines 20 pixels high, 26 apart."""

from worker.ocr.boxes import Box
from worker.ocr.engines.base import OcrLine
from worker.ocr.layout.regions import arrange

PAGE = (1000, 1400)


def line(text: str, x: int, y: int, right: int) -> OcrLine:
    return OcrLine(text, 0.9, Box(x, y, right - x, 20))


def prose(count: int, top: int) -> list[OcrLine]:
    return [line(f"of the whale and the sea {row}", 100, top + 26 * row, 900) for row in range(count)]


def regions(lines: list[OcrLine]) -> list[tuple[str, str]]:
    return [(str(region.type), region.text) for region in arrange(lines, [], PAGE)]


def test_each_item_with_a_hanging_indent_is_one_paragraph() -> None:
    items = [
        line("Ahab, the captain of", 100, 300, 895),
        line("the ship, and his", 130, 326, 890),
        line("leg", 130, 352, 200),
        line("Queequeg", 100, 378, 300),
        line("Starbuck, the first mate", 100, 404, 900),
        line("of the ship", 130, 430, 400),
    ]

    assert [text.split()[0] for _, text in regions(items)] == ["Ahab,", "Queequeg", "Starbuck,"]


def test_a_stanza_with_indents_of_its_own_is_one_region_of_verse() -> None:
    stanza = [
        line("The ribs and terrors in the whale,", 200, 440, 600),
        line("Arched over me a dismal gloom,", 240, 466, 590),
        line("While all God's sun-lit waves rolled by,", 200, 492, 640),
        line("And lift me deepening down to doom.", 240, 518, 650),
    ]

    found = regions([*prose(4, 300), *stanza, *prose(4, 580)])

    assert [(kind, text.count("\n") + 1) for kind, text in found] == [("body", 4), ("verse", 4), ("body", 4)]


def test_verse_that_is_wrapped_in_a_narrow_column_is_one_region() -> None:
    stanza = [
        line("I saw the opening maw of", 140, 440, 895),
        line("hell,", 180, 466, 250),
        line("With endless pains and", 140, 492, 880),
        line("sorrows there;", 180, 518, 400),
        line("Which none but they that", 140, 544, 900),
        line("feel can tell", 180, 570, 380),
    ]

    found = regions([*prose(4, 300), *stanza, *prose(4, 640)])

    assert [(kind, text.count("\n") + 1) for kind, text in found] == [("body", 4), ("verse", 6), ("body", 4)]


def test_two_capitals_make_no_verse_of_four_short_lines() -> None:
    recipe = [
        line("Pour off the fat", 200, 440, 500),
        line("and return it", 240, 466, 480),
        line("Season with salt", 200, 492, 530),
        line("and pepper", 240, 518, 430),
    ]

    assert "verse" not in {kind for kind, _ in regions([*prose(4, 300), *recipe])}


def test_an_index_set_apart_is_not_verse() -> None:
    index = [line(f"Whale {row}, {7 * row}", 100, 500 + 26 * row, 300 + 13 * (row % 3)) for row in range(8)]

    assert "verse" not in {kind for kind, _ in regions([*prose(6, 300), *index])}


def test_a_heading_of_two_lines_in_the_middle_is_one_region_and_ends_the_paragraph() -> None:
    heading = [line("OF THE MONSTROUS PICTURES", 300, 410, 700), line("OF WHALES", 420, 436, 580)]

    found = regions([*prose(4, 300), *heading, *prose(4, 470)])

    assert [text.split("\n")[0] for _, text in found] == [
        "of the whale and the sea 0",
        "OF THE MONSTROUS PICTURES",
        "of the whale and the sea 0",
    ]


def test_items_of_a_list_are_a_region_each_with_their_wrapped_lines() -> None:
    items = [
        line("The ship carries", 100, 300, 500),
        line("• boats, of which three hang at", 100, 326, 890),
        line("the sides", 118, 352, 250),
        line("• Harpoons", 100, 378, 400),
        line("• Casks", 100, 404, 300),
    ]

    assert [text.split()[:2] for _, text in regions(items)] == [
        ["The", "ship"],
        ["•", "boats,"],
        ["•", "Harpoons"],
        ["•", "Casks"],
    ]


def test_an_address_is_one_region() -> None:
    address = [line("Ahab & Co.", 600, 500, 750), line("12 Spouter Street", 600, 526, 830)]

    assert [text for _, text in regions([*prose(6, 300), *address])][1:] == ["Ahab & Co.\n12 Spouter Street"]


def test_notes_with_marks_are_a_region_each() -> None:
    notes = [
        line("1) See the log of the ship, and what", 100, 300, 900),
        line("the mate wrote in it.", 100, 326, 500),
        line("2) The same.", 100, 352, 400),
    ]

    assert [text[:2] for _, text in regions(notes)] == ["1)", "2)"]
