"""`mstkd demo`: the main job through the stock commands, in a folder of its own (L2; it runs commands, no nnU-Net).

Read in this order: `recipe` (what is compared), `folder` (where everything lies), `steps` (the commands), `runner`
(runs them, with `record` and `progress`), then what is made of the results: `dice`, `table`, `picture`.
"""
