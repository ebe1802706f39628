"""The single door to the EHR: the plan before signing, the signature, and the sending afterwards.

| module | job |
|---|---|
| ``plan`` | what signing would write, in which form, or why not, in the clinician's words (pure) |
| ``shapes`` | in which form an EHR takes each kind of resource (pure) |
| ``signing`` | turn a reviewed result into an Approval and its ledger rows, in one commit |
| ``patient_record`` | Patient → PatientIdentity: the same reading for the page and for the guard (pure) |
| ``guard`` | is what was signed still true, by what the EHR says now |
| ``door`` | what a sender holds: one launch's reader and writer, and what that EHR can do |
| ``claims`` | lease rows, commit ``sending``, record results; fenced by attempt number |
| ``result_table`` | from the EHR's answer to a row's state (pure) |
| ``writer`` | send what an Approval names, at most once |
| ``look_up`` | find out what became of a write whose answer was lost |
| ``outcome`` | what the outcome page shows |

The law is the design's write path: nothing unsigned is sent, a POST of unknown outcome is never repeated without proof.
"""
