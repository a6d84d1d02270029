"""The scripts that letters belong to (Latin, Greek, Han), and those that a language is written in.

Python's Unicode data has no scripts, but the name of a letter begins with its script: `GREEK SMALL LETTER ALPHA`.
"""

import unicodedata
from collections import Counter
from functools import lru_cache

_LATIN = frozenset({"Latin"})
_TABLE = """
am_Ethiopic ar_Arabic as_Bengali az-Cyrl_Cyrillic be_Cyrillic bg_Cyrillic bn_Bengali bo_Tibetan chr_Cherokee
dv_Thaana dz_Tibetan el_Greek fa_Arabic grc_Greek gu_Gujarati he_Hebrew hi_Devanagari hy_Armenian
iu_Canadian-syllabics ja_Han ja_Kana ka_Georgian kk_Cyrillic km_Khmer kn_Kannada ko_Han ko_Hangul ky_Cyrillic
lo_Lao mk_Cyrillic ml_Malayalam mn_Cyrillic mn_Mongolian mr_Devanagari my_Myanmar ne_Devanagari or_Oriya
pa_Gurmukhi ps_Arabic ru_Cyrillic sa_Devanagari sd_Arabic si_Sinhala sr_Cyrillic sr_Latin syr_Syriac ta_Tamil
te_Telugu tg_Cyrillic th_Thai ti_Ethiopic tt_Cyrillic ug_Arabic uk_Cyrillic ur_Arabic uz-Cyrl_Cyrillic yi_Hebrew
zh-Hans_Han zh-Hant_Han zh_Han
"""
_SCRIPTS = [pair.split("_") for pair in _TABLE.split()]
"""Tags and scripts of the languages that are not written in Latin letters alone. Serbian is printed in both."""

_FIRST_WORDS = {
    **{script.partition("-")[0].upper(): script for _, script in _SCRIPTS},
    "BOPOMOFO": "Han",
    "CJK": "Han",
    "HIRAGANA": "Kana",
    "KATAKANA": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
}


def scripts_of(tag: str) -> frozenset[str]:
    """Return the scripts that a language is written in.

    Args:
        tag: of a language that is known, as `worker.ocr.engines.languages.tags_of` gives it.
    """
    return frozenset(script for each, script in _SCRIPTS if each == tag) or _LATIN


def count_scripts(text: str) -> Counter[str]:
    """Return how many letters of a text belong to each script; letters without a known script are left out."""
    found: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if script := _script_of(character):
            found[script] += count
    return found


@lru_cache(maxsize=20_000)
def _script_of(character: str) -> str:
    if not character.isalpha():
        return ""
    # Wide and mathematical letters are named by their form.
    plain = unicodedata.normalize("NFKC", character)[:1]
    return _FIRST_WORDS.get(unicodedata.name(plain, "").split(" ")[0], "")
