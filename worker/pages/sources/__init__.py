"""Page images from PDFs and image folders."""
