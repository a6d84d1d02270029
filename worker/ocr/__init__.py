"""Reading a page image: OCR engines, the layout of the lines that they find, and checks that the text is plausible.

It imports neither the settings nor the stages.
"""
