"""What forms, charts and command lines say of the tumour task."""

from __future__ import annotations

from mckd.tasks import About, Choice, Series

ABOUT = About(
    key="tumour",
    name="Brain tumours",
    label="Brain tumours: four MRI sequences",
    presets=(
        Choice(
            "smoke",
            "Smoke test",
            "A coarse network on the bundled synthetic cases, a minute or two. Shows how a "
            "run goes; no good scores.",
        ),
        Choice(
            "studio",
            "Studio",
            "The network behind the Brain tumours tab: an hour or more on two cores, and "
            "cases of your own, in a folder that is named when the app is started.",
        ),
        Choice(
            "compact",
            "Compact",
            "On what the systems are compared: the paper's reading at studio's size, 2,500 steps "
            "of crops of 96 voxels.",
        ),
        Choice("paper", "Paper", "The paper's 115,000 steps of large crops: for a GPU."),
    ),
    data="three synthetic cases made by this project",
    modalities=(
        Series("flair", "FLAIR", ("#a34c08", "#ee9d58")),
        Series("t1", "T1", ("#5f6d76", "#a9b6be")),
        Series("t1c", "T1c", ("#7a3fa8", "#c9a0ee")),
        Series("t2", "T2", ("#2b62b0", "#6fb1f0")),
    ),
    subsets=(
        Series("all", "All four", ("#0a6570", "#56bfc9")),
        Series("mean", "Mean of 15 subsets", ("#16222a", "#e8eef1")),
    ),
    features="maps",
    metric="dice",
    caution="Tumours: <strong>adult glioma</strong> before surgery only.",
)
