"""One TOML file per vendor; read by launch.ehr_profile."""
