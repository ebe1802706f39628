"""Pure functions between screening instruments, answers and FHIR R4 resources: no I/O, no clock, no random ids."""
