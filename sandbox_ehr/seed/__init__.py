"""The synthetic patients and staff of Alder Creek Behavioral Health (simulated)."""
