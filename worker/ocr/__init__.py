"""Reading a page image: OCR engines, the layout of what they found, and whether the reading is plausible."""
