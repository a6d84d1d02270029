"""Write dinglehopper's figures into `figures.json`; README.md says how to run it."""

import json
import math
from pathlib import Path

from dinglehopper.character_error_rate import character_error_rate
from dinglehopper.word_error_rate import word_error_rate

FIGURES = Path(__file__).with_name("figures.json")


def main() -> None:
    """Measure all pairs again."""
    pairs = json.loads(FIGURES.read_text(encoding="utf-8"))
    for pair in pairs:
        for name, rate in (("cer", character_error_rate), ("wer", word_error_rate)):
            found = float(rate(pair["truth"], pair["reading"]))
            pair[name] = found if math.isfinite(found) else None
    FIGURES.write_text(json.dumps(pairs, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
