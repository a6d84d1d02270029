"""Texts that pages are set in, by language, all by authors long dead and typed from memory: nothing is downloaded.

What is printed has one right transcription: no dash or quotation mark that readers write in more than one way.
"""

from sample.truth_pages.texts.english import ENGLISH
from sample.truth_pages.texts.french import FRENCH
from sample.truth_pages.texts.german import GERMAN
from sample.truth_pages.texts.greek import GREEK
from sample.truth_pages.texts.language import Language

LANGUAGES = {language.code: language for language in (ENGLISH, GERMAN, FRENCH, GREEK)}
"""By BCP 47 code."""

__all__ = ["LANGUAGES", "Language"]
