"""How a page image comes from a source image: cropped to the paper, straightened, turned the right way up.

Commands that read files import only `transform` and `settings`; the other modules need numpy and OpenCV. They take
pictures and settings as arguments, and know neither stages nor engines.
"""
