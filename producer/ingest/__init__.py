"""Turning a PDF, a folder of images or a Scanshelf folder into a scan, after checking the source."""
