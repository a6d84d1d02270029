"""What is to be done with a stage of a book, and its cost: plan, enqueue, cancel, reset, replace a page."""
