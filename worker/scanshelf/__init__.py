"""Reading the pages that Scanshelf left as outputs of Leafmark's stages."""
