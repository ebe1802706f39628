"""sandbox_ehr."""
