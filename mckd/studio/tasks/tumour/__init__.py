"""The tumour task in the app: the Brain tumours tab and the Compare tab."""
