"""What forms, charts and command lines say of the digits task."""

from __future__ import annotations

from mckd.tasks import About, Choice, Series

ABOUT = About(
    key="digits",
    name="Digits",
    label="Digits: picture and voice",
    presets=(
        Choice(
            "smoke",
            "Smoke test",
            "30 short epochs, about half a minute. Shows how a run goes; no good scores.",
        ),
        Choice("paper", "Paper", "The paper's protocol and its small networks: about a minute."),
        Choice(
            "studio",
            "Studio",
            "The network behind the Digits tab, with strong augmentation: some 10 minutes.",
        ),
    ),
    data="a small synthetic set made by this project",
    modalities=(
        Series("visual", "Picture", ("#2b62b0", "#7fb0f2")),
        Series("audio", "Voice", ("#a34c08", "#ee9d58")),
    ),
    subsets=(Series("both", "Both", ("#0a6570", "#56bfc9")),),
    scarce=(Choice("audio", "Voice is rare"), Choice("visual", "Picture is rare")),
    rates=(0.05, 0.10, 0.15, 0.20),
    rate=0.10,
)
