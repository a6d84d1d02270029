"""What a page is before it is read: the scan, its book profile, and page images from PDFs and image folders.

It may import `text`; every room that works on scans imports it.
"""
