"""What makes the documentation: schemas, generated reference pages, the hook of mkdocs. Not shipped."""
