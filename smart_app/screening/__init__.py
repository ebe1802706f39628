"""Giving, reviewing and signing a screening: `workflow` lists the use cases, `views` what a page shows."""
