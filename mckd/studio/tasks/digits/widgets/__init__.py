"""The components of the Digits tab; see mckd/studio/widgets."""
