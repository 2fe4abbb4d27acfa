"""`mstkd demo`: the main job through nnU-Net's commands and ours, in a folder of its own (L2; it runs commands).

Read in this order: `recipe` (what is compared), `folder` (where everything lies), `steps` (the commands), `runner`
(runs them, with `record` and `progress`), `demonstration` (all of it).
"""
