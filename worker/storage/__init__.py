"""The storage root as a whole: its marker, which deployment works on it, and which stages have work under way."""
