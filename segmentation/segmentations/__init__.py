"""Segmentations of one's own: named segments by conditions on what is known of a customer, declared and versioned.

What a definition is, how the file that declares them is read and checked, and what the lake keeps of them. Who is in
which segment, `segmentation.segments` finds out; the model, one segmentation among them, is `segmentation.modeling`.
"""
