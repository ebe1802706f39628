"""What happens between and around screenings: what is due."""
