"""`producer report`: a book as one HTML file, made from what stands on the storage."""
