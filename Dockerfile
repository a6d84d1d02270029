FROM python:3.11.14-slim-bookworm

# What OpenCV, a part of the default OCR engine, needs of the system; and Tesseract's English for those who choose it.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 tesseract-ocr-eng \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE leafmark_celery.py ./
COPY checkpointing checkpointing
COPY worker worker
COPY producer producer
RUN pip install --no-cache-dir -c constraints.txt '.[tesseract]'

# The volume takes over this owner when it is first used.
RUN useradd --uid 10001 --create-home leafmark && install -d -o 10001 -g 10001 /scans
USER 10001:10001
# Not among the sources: the installed packages are the ones that run.
WORKDIR /home/leafmark
ENV LEAFMARK_STORAGE_ROOT=/scans \
    PYTHONUNBUFFERED=1
VOLUME /scans
CMD ["celery", "-A", "worker", "worker"]
