"""Where scans and stages stand, read from files alone, so that it works with Redis down."""
