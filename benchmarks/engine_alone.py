"""`python benchmarks/engine_alone.py FOLDER`: read the PNG files of a folder with an engine and nothing else.

Prints one JSON object: the texts, and the CPU seconds of each page. The engine is loaded before. It is a program of
its own that imports only what earlier versions of Leafmark have too, so that their engines can be measured with it:
with `PYTHONPATH` it runs with another checkout.
"""

import json
import sys
import time
from pathlib import Path

from PIL import Image

from worker.ocr.engines.registry import make_engine
from worker.stages.options import OcrOptions


def main() -> None:
    """Read the pages in the order of their names."""
    engine = make_engine(OcrOptions())
    engine.load()
    texts, cpu_seconds = [], []
    for path in sorted(Path(sys.argv[1]).glob("*.png")):
        started = time.process_time()
        with Image.open(path) as image:
            lines = engine.recognise(image.convert("RGB"))
        cpu_seconds.append(time.process_time() - started)
        texts.append("\n".join(line.text for line in lines if line.text))
    print(json.dumps({"engine": engine.version, "texts": texts, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
