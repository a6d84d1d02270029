"""A scanned book that Leafmark makes itself, for the demo, the tests and the benchmarks.

Every page's text is known to the letter, every build gives the same bytes, and nothing is downloaded.
`python -m sample book.pdf` writes it.
"""

from sample.book import PageKind, SamplePage, pages, small_page
from sample.files import write_image_folder, write_pdf

__all__ = ["PageKind", "SamplePage", "pages", "small_page", "write_image_folder", "write_pdf"]
