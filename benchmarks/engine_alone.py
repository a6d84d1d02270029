"""`python benchmarks/engine_alone.py FOLDER`: read the PNG files of a folder with an engine and nothing else.

Prints one JSON object: the texts with the lines from top to bottom, the CPU seconds of each page, and the peak
memory in bytes. The engine is loaded before. It is a program of its own that imports only what earlier versions of
Leafmark have too, so that their engines can be measured with it: with `PYTHONPATH` it runs with another checkout.
"""

import json
import resource
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
        texts.append("\n".join(line.text for line in sorted(lines, key=lambda line: line.bbox.y) if line.text))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"engine": engine.version, "texts": texts, "cpu_seconds": cpu_seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
