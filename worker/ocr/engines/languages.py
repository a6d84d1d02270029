"""Languages of a page as BCP 47 tags (`de`, `zh-Hant`), and Tesseract's names for them (`deu`, `chi_tra`).

Wherever a language is given, the names of Tesseract's data files are accepted beside the tags; both are joined by
`+`. A name that is not a known tag stays as it is: it is a data file, such as `frak2021`.
"""

import re

_TABLE = """
af_afr am_amh ar_ara as_asm az_aze az-Cyrl_aze_cyrl be_bel bg_bul bn_ben bo_bod br_bre bs_bos ca_cat ceb_ceb
chr_chr co_cos cs_ces cy_cym da_dan de_deu dv_div dz_dzo el_ell en_eng enm_enm eo_epo es_spa et_est eu_eus
fa_fas fi_fin fil_fil fo_fao fr_fra frm_frm fy_fry ga_gle gd_gla gl_glg grc_grc gu_guj he_heb hi_hin hr_hrv
ht_hat hu_hun hy_hye id_ind is_isl it_ita iu_iku ja_jpn jv_jav ka_kat kk_kaz km_khm kmr_kmr kn_kan ko_kor
ku_kmr ky_kir la_lat lb_ltz lo_lao lt_lit lv_lav mi_mri mk_mkd ml_mal mn_mon mr_mar ms_msa mt_mlt my_mya
nb_nor ne_nep nl_nld nn_nor no_nor oc_oci or_ori pa_pan pl_pol ps_pus pt_por qu_que ro_ron ru_rus sa_san
sd_snd si_sin sk_slk sl_slv sq_sqi sr_srp sr-Latn_srp_latn su_sun sv_swe sw_swa syr_syr ta_tam te_tel tg_tgk
th_tha ti_tir tl_fil to_ton tr_tur tt_tat ug_uig uk_ukr ur_urd uz_uzb uz-Cyrl_uzb_cyrl vi_vie yi_yid yo_yor
zh_chi_sim zh-Hans_chi_sim zh-Hant_chi_tra
"""
_TESSERACT = dict(pair.split("_", 1) for pair in _TABLE.split())
"""Tesseract's data files by BCP 47 tag: the languages of Tesseract's manual, with the ISO 639-1 codes that the
register of ISO 639-3 gives for their codes."""

_TAGS = {name: tag for tag, name in reversed(_TESSERACT.items())} | {"chi_sim": "zh", "kmr": "kmr", "nor": "no"}
_TAG = re.compile(r"([A-Za-z]{2})(?:-(Latn|Latf|Cyrl|Hans|Hant))?(?:-([A-Za-z]{2}|[0-9]{3}))?", re.IGNORECASE)
_IN_TRADITIONAL_CHINESE = {"TW", "HK", "MO"}

FRAKTUR = "fraktur"
_GERMAN_DATA = {"deu_latf", "frk"}
_SET_IN_FRAKTUR = {"cs", "da", "de", "et", "fi", "lt", "lv", "nb", "nn", "no", "sv"}
FRAKTUR_DATA = ("frak2021", "deu_latf", "frk", "script/Fraktur")
"""Tesseract's data for Fraktur, best first: of the German lines of `python -m benchmarks reading`, `frk` reads
fewer characters wrongly than `script/Fraktur`. `deu_latf` is the newer name of `frk`. `frak2021` was trained on
more books than the others; it is not measured here."""


def tags_of(lang: str) -> list[str]:
    """Return the languages as BCP 47 tags without region; a name that is not a known language stays as it is.

    So does a language in the script Fraktur, `de-Latf`.
    """
    tags = (each if _is_latf(each) else _known_tag(each) or _TAGS.get(each, each) for each in lang.split("+"))
    return list(dict.fromkeys(tags))


def known_language(name: str) -> str:
    """Return the tag of a language by its tag or by a name of Tesseract's data; empty for any other name."""
    if name in _GERMAN_DATA:
        return "de"
    name = name[: -len("-Latf")] if _is_latf(name) else name
    return _known_tag(name) or _TAGS.get(name, "")


def tesseract_names(lang: str, typeface: str) -> list[str]:
    """Return Tesseract's names of the languages.

    With the typeface `fraktur`, `FRAKTUR` comes first, in place of German and other languages that were set in
    Fraktur; the others, such as Latin within a German book, stay beside it.
    """
    names = []
    for given in lang.split("+"):
        tag = _known_tag(given) or _TAGS.get(given, "")
        in_fraktur = (typeface == FRAKTUR and tag in _SET_IN_FRAKTUR) or _is_latf(given)
        names.append(FRAKTUR if in_fraktur else _TESSERACT.get(tag, given))
    if typeface == FRAKTUR and not {FRAKTUR, *FRAKTUR_DATA}.intersection(names):
        names.insert(0, FRAKTUR)
    return list(dict.fromkeys(names))


def unknown_tags(lang: str) -> list[str]:
    """Return what has the form of a BCP 47 tag with two letters, but is not a language that Tesseract has."""
    return [each for each in lang.split("+") if re.match(r"[A-Za-z]{2}(-|$)", each) and not _known_tag(each)]


def known_tags() -> list[str]:
    """Return the tags that Tesseract has data for, sorted."""
    return sorted(_TESSERACT)


def _is_latf(given: str) -> bool:
    """Return whether it is a tag with the script Fraktur: `de-Latf`."""
    return given.lower().endswith("-latf")


def _known_tag(given: str) -> str:
    """Return the tag in the form of the table; empty if it is not there, or is not a tag."""
    if given in _TESSERACT:
        return given
    match = _TAG.fullmatch(given)
    if match is None:
        return ""
    language, script, region = match[1].lower(), (match[2] or "").title(), (match[3] or "").upper()
    if language == "zh" and not script and region in _IN_TRADITIONAL_CHINESE:
        script = "Hant"
    return next((tag for tag in (f"{language}-{script}", language) if tag in _TESSERACT), "")
