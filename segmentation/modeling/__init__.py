"""The model: preprocessing, K-means, the artefact that holds everything, and the registry of versions."""
