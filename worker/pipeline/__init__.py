"""How one page goes through a stage, and how pages flow from one stage to the next."""
