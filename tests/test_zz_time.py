import time, os, json, subprocess, sys, torch
from pathlib import Path
import pytest
def test_a(make_trainer, make_dataset):
    d = make_dataset("regions")
    plans = json.loads(json.dumps(d.plans)); plans["configurations"]["3d_fullres"]["patch_size"]=[8,8,8]
    for n in (1,2):
        tr = make_trainer("nnUNetTrainerMSTKD_1epoch", plans=plans)
        tr.num_iterations_per_epoch=20
        torch.set_num_threads(n)
        t=time.time(); tr.run_training(); print("THREADS", n, time.time()-t)
