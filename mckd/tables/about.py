"""What forms, charts and command lines say of the tables task. Its data names the modalities."""

from __future__ import annotations

from mckd.tasks import About, Choice, Series

ABOUT = About(
    key="tables",
    name="Tables",
    label="Tables: a file per modality",
    presets=(
        Choice("smoke", "Smoke test", "10 short epochs, some seconds. Shows how a run goes."),
        Choice("paper", "Paper", "The paper's options and optimiser: about half a minute."),
        Choice("studio", "Studio", "The model behind the Tables tab: about a minute."),
    ),
    data="1,600 handwritten numerals in six tables (UCI Multiple Features, CC BY 4.0)",
    subsets=(
        Series("all", "All tables", ("#0a6570", "#56bfc9")),
        Series("mean", "Mean of subsets", ("#16222a", "#e8eef1")),
    ),
)
