"""Synthetic gliomas: MRI of heads that never were, with labels that are right by construction.

anatomy      MNI152, bent and folded anew: what every voxel is made of
vessels      what takes up contrast agent and is no tumour
growth       the tumour's outlines and its mass effect
lesion       rim, necrosis, nodules, oedema, and their labels
signal       relaxation times to brightness, per sequence
mixture      all of these to four perfect images
acquisition  coil, slices, noise
generate     the command that writes cases
"""
