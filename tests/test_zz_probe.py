import time, cProfile, pstats
def test_a(make_dataset):
    t=time.time(); 
    import nnunetv2.experiment_planning.plan_and_preprocess_api, nnunetv2.training.nnUNetTrainer.nnUNetTrainer
    print("import", time.time()-t)
    d = make_dataset("two_modalities")
    p = cProfile.Profile(); p.enable()
    t=time.time(); d = make_dataset("labels"); print("labels", time.time()-t)
    p.disable(); pstats.Stats(p).sort_stats("cumulative").print_stats(45)
