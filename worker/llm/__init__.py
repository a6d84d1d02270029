"""Language models: what is asked, what it costs, and who may ask. Knows no stage."""
