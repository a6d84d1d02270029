"""RapidOCR declares the languages that it reads, no others: each sentence is printed, read and compared.

The sentences have the letters of their language beyond A to Z. Chinese is not among them: few machines have a font.
"""

# ruff: noqa: RUF001  # letters of other scripts are what is measured

import unicodedata
from collections import Counter

import pytest
from PIL import Image, ImageDraw, ImageFont

from worker.ocr.engines.rapid.engine import RapidOcr, _model_file
from worker.ocr.engines.rapid.networks import Target, load_network

SENTENCES = {
    "az": "Bütün insanlar ləyaqətinə görə azad və bərabər doğulurlar; şəxs, çox, ağ, ıldırım, öz.",
    "ca": "Tots els éssers humans neixen lliures; raó, consciència, col·legi, Índia, però, força.",
    "cs": "Všichni lidé rodí se svobodní; příliš žluťoučký kůň úpěl ďábelské ódy, štěstí.",
    "cy": "Genir pawb yn rhydd ac yn gydradd; tŷ, dŵr, môr, tân, gŵyl.",
    "da": "Alle mennesker er født frie og lige i værdighed, også, øre, år.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren; süß, größer, Äpfel, Öl.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.",
    "en": "All human beings are born free and equal in dignity and rights.",
    "eo": "Ĉiuj homoj estas denaske liberaj; ĝi, ŝi, aŭ, ĵurnalo, eĥo.",
    "es": "Todos los seres humanos nacen libres e iguales; corazón, niño, ¿qué?, pingüino, así, último.",
    "et": "Kõik inimesed sünnivad vabadena; õigus, ühesugused, öö, täht, žurnaal.",
    "eu": "Gizon-emakume guztiak aske jaiotzen dira; mañeru, andereño.",
    "fi": "Kaikki ihmiset syntyvät vapaina, yhtäläisinä, älkää, öljyä, työ.",
    "fr": "Tous les êtres humains naissent libres et égaux; où ça, naïf, cœur, forêt, île, brûler, à.",
    "ga": "Saolaítear gach duine den chine daonna saor; comhionann, éad, ár, úll, óg.",
    "hr": "Sva ljudska bića rađaju se slobodna; čovjek, ćud, žena, šuma, đak.",
    "hu": "Minden emberi lény szabadon születik; egyenlő méltósága, ő, űr, árvíztűrő tükörfúrógép.",
    "is": "Hver maður er borinn frjáls og jafn öðrum að virðingu; þá, ævi, ýmis, ríki, úr, góð.",
    "it": "Tutti gli esseri umani nascono liberi; perché, è, città, più, però, così.",
    "la": "Omnes homines liberi aequique dignitate atque iuribus nascuntur; æquus, cœlum.",
    "lt": "Visi žmonės gimsta laisvi; lygūs, savo orumu, ąžuolas, ėjo, šią, žodžių, įvykis, čia, ę.",
    "lv": "Visi cilvēki piedzimst brīvi; pašcieņā, tiesībās, ķēde, ģimene, ļoti, ūdens, žēl, čau.",
    "mt": "Il-bnedmin kollha jitwieldu ħielsa; għandhom, ċar, ġust, żmien, ħajja.",
    "nb": "Alle mennesker er født frie og med samme menneskeverd; også, ære, øy, år.",
    "nl": "Alle mensen worden vrij en gelijk geboren; één, geïnd, coördinatie, ruïne.",
    "nn": "Alle menneske er fødde til fridom og med same menneskeverd; òg, ære, øy, år.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi; godności, żółć, źdźbło, łąka, ćma, jeść.",
    "pt": "Todos os seres humanos nascem livres; razão, ações, você, português, três, avô, à, único.",
    "ro": "Toate ființele umane se nasc libere; înzestrate, rațiune, conștiință, să, mâine, țară, știe.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве.",
    "sk": "Všetci ľudia sa rodia slobodní; dôstojnosti, kŕdeľ ďatľov, mäkčeň, stĺp, ťava.",
    "sl": "Vsi ljudje se rodijo svobodni; čas, šola, življenje, češnja, žena.",
    "sq": "Të gjithë njerëzit lindin të lirë; çdo, është, më, ëndërr.",
    "sv": "Alla människor är födda fria och lika i värde och rättigheter; åtta, öga, ålder.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar; ışık, İstanbul, çığ.",
    "vi": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "yo": "Gbogbo ènìyàn ni a bí ní òmìnira; iyì àti ẹ̀tọ́ kọ̀ọ̀kan, ọmọ, ṣe.",
}
NOT_PRINTED = {"no", "zh", "zh-Hans"}
"""Declared for another reason: `no` is `nb` or `nn`, and Chinese is what the model was made for."""
MAXIMUM_LOST = 0.02
"""Share of the letters of a sentence, spaces left out, that may be read as others."""
_LINE = 90


@pytest.fixture(scope="module")
def read() -> dict[str, str]:
    """What RapidOCR reads of each sentence, printed in lines of two sizes on one page."""
    try:
        fonts = [ImageFont.truetype("DejaVuSerif.ttf", size) for size in (28, 38)]
    except OSError:
        pytest.skip("there is no font DejaVu Serif: apt-get install fonts-dejavu-core")
    page = Image.new("L", (2200, _LINE * (len(fonts) * len(SENTENCES) + 1)), 240)
    pen = ImageDraw.Draw(page)
    printed = [(tag, font) for tag in SENTENCES for font in fonts]
    for number, (tag, font) in enumerate(printed):
        pen.text((60, 40 + _LINE * number), SENTENCES[tag], font=font, fill=20)
    found = dict.fromkeys(SENTENCES, "")
    for line in sorted(RapidOcr().recognise(page), key=lambda line: (line.bbox.y // _LINE, line.bbox.x)):
        middle = line.bbox.y + line.bbox.height / 2
        found[printed[int((middle - 20) // _LINE)][0]] += line.text
    return found


def letters(text: str) -> Counter[str]:
    return Counter(unicodedata.normalize("NFC", text).replace(" ", ""))


def test_rapidocr_declares_the_languages_of_which_it_reads_every_letter(read: dict[str, str]) -> None:
    measured = set()
    for tag, sentence in SENTENCES.items():
        printed = letters(sentence * 2)
        lost = printed - letters(read[tag])
        never_read = [letter for letter, count in lost.items() if count == printed[letter]]
        if not never_read and lost.total() <= MAXIMUM_LOST * printed.total():
            measured.add(tag)
    assert measured == RapidOcr.languages_read - NOT_PRINTED


def test_the_model_of_rapidocr_has_every_letter_of_the_languages_that_it_declares() -> None:
    known = set(load_network(_model_file("rec"), Target("onnxruntime", "cpu")).characters) | {" "}
    for tag in RapidOcr.languages_read - NOT_PRINTED:
        assert set(unicodedata.normalize("NFC", SENTENCES[tag])) <= known
    # It has Greek letters without accents, and none of Cyrillic.
    assert not set("άέήίόύώ") & known
    assert not set("абвгд") & known
