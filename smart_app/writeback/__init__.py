"""The single door to the EHR: the plan before signing, the signature, and the sending afterwards.

| module | job |
|---|---|
| ``plan``, ``plan_words`` | what signing would write, or why not, in the clinician's words (pure) |
| ``obstacles`` | the first thing that keeps a kind of resource from being written (pure) |
| ``shapes`` | in which form an EHR takes each kind of resource (pure) |
| ``facts`` | what the plan must know of a result, counted by the builders themselves (pure) |
| ``signing`` | turn a reviewed result into an Approval and its ledger rows, in one commit |
| ``reference_code`` | the visible code of a signed note |
| ``door``, ``open_door`` | what a sender holds: one launch's reader and writer, and what that EHR can do |
| ``guard``, ``stops`` | is what was signed still true, by what the EHR says now; every reason not to send |
| ``signed`` | is a row still what was signed, but for the ids that the EHR gave (pure) |
| ``order`` | which row may go next (pure) |
| ``claims`` | lease rows, commit ``sending``, record results; fenced by attempt number |
| ``result_table`` | from the EHR's answer to a row's state (pure) |
| ``writer`` | send what an Approval names, at most once |
| ``look_up`` | find out what became of a write whose answer was lost |
| ``decisions`` | what a person decides on a row that no look-up could settle |
| ``note_search`` | find a note by its visible reference line, where identifiers do not come back |
| ``report``, ``outcome`` | what a run did; what the outcome page says of each row |

The law is the design's write path: nothing unsigned is sent, a POST of unknown outcome is never repeated without proof.
"""
