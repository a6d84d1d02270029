"""The truth in text files, PAGE-XML, ALTO and hOCR, and which page each file is about."""

import os
from pathlib import Path

import pytest

from checkpointing.errors import InputError, LeafmarkError, StorageError, UnknownNameError
from producer.evaluate.truth.source import find_truth

ALTO = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v3#"><Layout>{}</Layout></alto>"""
ALTO_PAGE = """<Page{}><TopMargin/>
<BottomMargin><TextBlock><TextLine><String CONTENT="{}"/></TextLine></TextBlock></BottomMargin>
<PrintSpace><ComposedBlock><TextBlock>
<TextLine><String CONTENT="For"/><SP/><String CONTENT="exam" SUBS_TYPE="HypPart1" SUBS_CONTENT="example"/>{}
</TextLine>
<TextLine><String CONTENT="ple" SUBS_TYPE="HypPart2" SUBS_CONTENT="example"/><SP/><String CONTENT="&lt;here&gt;"/>
</TextLine></TextBlock></ComposedBlock></PrintSpace></Page>"""
PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page>{}</Page></PcGts>"""
HOCR = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://127.0.0.1:1/x.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/><title>x</title></head>
<body>{}</body></html>"""
HOCR_PAGE = """<div class='ocr_page' title='image "a.png"; bbox 0 0 9 9{}'>
<div class='ocr_carea'><p class='ocr_par'>
<span class='ocr_header'><span class='ocrx_word'><strong>HEAD</strong></span>
 <span class='ocrx_word'>{}</span></span>
<span class='ocr_line'><span class='ocrx_word'>caf&eacute;</span><span class='ocrx_word'>&amp;</span> <br/>
<span class='ocrx_word'><span class='ocrx_cinfo'>t</span>
<span class='ocrx_cinfo'>ea</span></span></span></p></div></div>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<PcGts><Page><TextRegion><TextEquiv><Unicode>&b;</Unicode></TextEquiv></TextRegion></Page></PcGts>"""


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def texts(path: Path, total_pages: int = 20) -> dict[int, str]:
    truth = find_truth(path, total_pages)
    return {page: truth.text(page) for page in sorted(truth.pages)}


def text_of(folder: Path, name: str, content: str) -> str:
    return texts(write(folder, {name: content}) / name, total_pages=1)[1]


def equiv(text: str, index: int | None = None) -> str:
    attribute = "" if index is None else f' index="{index}"'
    return f"<TextEquiv{attribute}><PlainText>no</PlainText><Unicode>{text}</Unicode></TextEquiv>"


def region(name: str, content: str) -> str:
    return f'<TextRegion id="{name}">{content}</TextRegion>'


@pytest.mark.parametrize(
    ("names", "pages"),
    [
        (["page_0001.txt", "page_0012.txt"], [1, 12]),
        (["0001.gt.txt", "0002.gt.txt"], [1, 2]),
        (["12.xml", "13.txt"], [12, 13]),
        (["faust_1890_0007.txt", "faust_1890_0008.txt"], [7, 8]),
        (["vol2-page-3.txt"], [3]),
        (["scan 5.TXT", "notes.md", ".6.txt"], [5]),
    ],
)
def test_file_names_give_the_numbers_of_pages(tmp_path: Path, names: list[str], pages: list[int]) -> None:
    folder = write(tmp_path / "truth", dict.fromkeys(names, PAGE.format("")))
    assert sorted(find_truth(folder, 20).pages) == pages


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["title.txt"], "title.txt has no clear page number"),
        (["1890_07.txt"], "1890_07.txt has no clear page number"),
        (["a_1_2.txt", "a_3_4.txt"], "a_1_2.txt has no clear page number"),
        (["1.txt", "0001.gt.txt"], "0001.gt.txt and 1.txt"),
        (["1.txt", "page_1.xml"], "both about page 1"),
        (["0000.txt"], "pages are numbered from 1"),
        (["readme.md"], "there is no truth in"),
        ([], "there is no truth in"),
    ],
)
def test_file_names_that_are_not_clear_are_refused(tmp_path: Path, names: list[str], words: str) -> None:
    folder = write(tmp_path / "truth", dict.fromkeys(names, "x"))
    with pytest.raises(InputError, match=words):
        find_truth(folder, 20)


def test_truth_for_a_page_that_the_book_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="a page 3, and the book has 2 pages"):
        find_truth(write(tmp_path / "truth", {"3.txt": "x"}), 2)


def test_a_single_file_is_about_the_page_that_its_name_or_the_command_line_gives(tmp_path: Path) -> None:
    folder = write(tmp_path, {"page_7.txt": "x", "title.txt": "y"})
    assert texts(folder / "page_7.txt") == {7: "x"}
    assert find_truth(folder / "page_7.txt", 20, frozenset({4})).pages == {4}
    assert texts(folder / "title.txt", total_pages=1) == {1: "y"}
    with pytest.raises(InputError, match=r"title.txt has no clear page number.*--pages"):
        find_truth(folder / "title.txt", 20)


def test_form_feeds_separate_the_pages_of_a_text_file(tmp_path: Path) -> None:
    file = write(tmp_path, {"book.txt": "\ufeffone\n\f\ftwo\nlines\f\n"}) / "book.txt"
    assert texts(file) == {1: "one\n", 2: "", 3: "two\nlines"}


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(InputError, match=r"1.txt is not UTF-8 \(byte 3\)"):
        texts(tmp_path)


def test_page_xml_has_the_regions_in_reading_order_and_the_rest_after_them(tmp_path: Path) -> None:
    order = """<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="2" regionRef="b"/>
    <UnorderedGroupIndexed index="1" id="u"><RegionRef regionRef="d"/></UnorderedGroupIndexed>
    <RegionRefIndexed index="0" regionRef="c"/><RegionRefIndexed index="3" regionRef="picture"/></OrderedGroup>
    </ReadingOrder>"""
    nested = f"<TableRegion id='t'>{region('d', equiv('fourth'))}</TableRegion>"
    regions = "".join(region(name, equiv(text)) for name, text in (("a", "first"), ("b", "second"), ("c", "third")))
    content = PAGE.format(f"{order}{regions}{nested}")
    assert text_of(tmp_path, "p.xml", content).split() == ["third", "fourth", "second", "first"]


def test_page_xml_takes_the_first_reading_of_a_line_else_its_words_else_that_of_the_region(tmp_path: Path) -> None:
    lines = (
        f"<TextLine>{equiv('other', 1)}{equiv('line one', 0)}</TextLine>"
        f"<TextLine><Word>{equiv('two')}</Word><Word>{equiv('words')}</Word></TextLine><TextLine/>"
    )
    content = PAGE.format(region("a", lines + equiv("not this")) + region("b", f"<TextLine/>{equiv('region')}"))
    assert text_of(tmp_path, "p.xml", content) == "line one\ntwo words\nregion"


@pytest.mark.parametrize("hyphen", ['<HYP CONTENT="-"/>', "<HYP/>", ""])
def test_alto_is_taken_as_printed_with_the_lower_margin_last(tmp_path: Path, hyphen: str) -> None:
    content = ALTO.format(ALTO_PAGE.format("", "12", hyphen))
    assert text_of(tmp_path, "p.xml", content) == "For exam-\nple <here>\n12"


def test_an_alto_file_with_several_pages_numbers_them_itself(tmp_path: Path) -> None:
    numbered = "".join(ALTO_PAGE.format(f' PHYSICAL_IMG_NR="{number}"', number, "") for number in (4, 6))
    plain = "".join(ALTO_PAGE.format("", number, "") for number in (4, 6))
    mixed = ALTO_PAGE.format(' PHYSICAL_IMG_NR="4"', 4, "") + ALTO_PAGE.format("", 5, "")
    files = {"numbered.xml": numbered, "plain.xml": plain, "mixed.xml": mixed}
    folder = write(tmp_path, {name: ALTO.format(pages) for name, pages in files.items()})
    assert {page: text[-1] for page, text in texts(folder / "numbered.xml").items()} == {4: "4", 6: "6"}
    assert list(texts(folder / "plain.xml")) == [1, 2]
    with pytest.raises(InputError, match="no clear numbers"):
        find_truth(folder / "mixed.xml", 20)


@pytest.mark.parametrize("name", ["p.hocr", "p.html", "p.xml"])
def test_hocr_gives_words_and_lines(tmp_path: Path, name: str) -> None:
    content = HOCR.format(HOCR_PAGE.format("", "LINE"))
    assert text_of(tmp_path, name, content) == "HEAD LINE\ncafé & tea"


def test_an_hocr_file_with_several_pages_numbers_them_itself(tmp_path: Path) -> None:
    pages = "".join(HOCR_PAGE.format(f"; ppageno {number}", number) for number in (2, 3))
    file = write(tmp_path, {"p.hocr": HOCR.format(pages)}) / "p.hocr"
    assert [text.split()[1] for text in texts(file).values()] == ["2", "3"]
    assert list(texts(file)) == [3, 4]


def test_hocr_lines_without_words_and_parts_without_end_tags_are_read(tmp_path: Path) -> None:
    lines = "<p class=ocr_par><span class=ocr_line>one</span><p><span class=ocr_line>two</span>"
    content = f"<div class=ocr_page>{lines}</div>"
    assert text_of(tmp_path, "p.html", content) == "one\ntwo"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("1.xml", "<PcGts><Page>", r"not well-formed XML \(line 1"),
        ("1.xml", "", "not well-formed XML"),
        ("1.xml", "no XML", "not well-formed XML"),
        ("1.xml", "<mets/>", "neither PAGE-XML nor ALTO nor hOCR: it begins with <mets>"),
        ("1.xml", BOMB, "defines XML entities"),
        ("1.xml", '<!DOCTYPE PcGts SYSTEM "http://127.0.0.1:1/x.dtd"><PcGts><Page>&x;</Page></PcGts>', "XML"),
        ("1.xml", '<?xml version="1.0" encoding="nothing"?><PcGts/>', "not well-formed XML"),
        ("1.xml", "<alto/>", "holds 0 pages"),
        ("1.xml", ALTO.format(ALTO_PAGE.format("", 1, "") * 2), "holds 2 pages"),
        ("1.html", "<p>no page</p>", "no element of class ocr_page"),
        ("1.html", HOCR_PAGE.format("", "x")[:-20], "it ends inside of a page"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path, name: str, content: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        texts(write(tmp_path / "truth", {name: content}))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.txt")
    with pytest.raises(StorageError, match="FIFO"):
        texts(tmp_path)
    with pytest.raises(InputError, match="there is no file or folder"):
        find_truth(tmp_path / "nothing", 1)
    with pytest.raises(InputError, match=r"cannot be read as truth; use text files"):
        find_truth(write(tmp_path, {"1.docx": "x"}) / "1.docx", 1)


def test_the_files_of_a_folder_are_read_when_their_page_is_asked_for(tmp_path: Path) -> None:
    truth = find_truth(write(tmp_path / "truth", {"1.txt": "one", "2.xml": "<broken"}), 2)
    assert truth.text(1) == "one"
    with pytest.raises(LeafmarkError, match="not well-formed"):
        truth.text(2)
