"""Layout: arranges lines of text and pictures into regions in reading order. It imports only `worker.ocr`."""
