"""MCKD Studio from a clone or on a Space: `python app.py`; once installed, `mckd-studio`."""

from mckd.studio.serve import run

if __name__ == "__main__":
    run()
