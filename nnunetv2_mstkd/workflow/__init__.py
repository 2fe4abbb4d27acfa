"""Train, benchmark and report on a laptop or a cluster: a Snakemake workflow, and what it is made of (L0).

Read in this order: `config.example.yaml` (what a user says), `configuration`, `configuration_value`, `stock_schedule`
(how it is read), `Snakefile` (which job waits for which), `commands` (what a job runs). `planning`, `training`,
`repeat` and `results_and_costs` are small commands that jobs run; `nnunetv2_mstkd.planning.splits`, which needs
nnU-Net, is one more. Nothing here needs Snakemake but the Snakefile: who has another engine can take the commands.
"""
